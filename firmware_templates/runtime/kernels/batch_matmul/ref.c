/* Matrix products in plain C. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"

static int32_t dot(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right) {
  int32_t sum = 0;
  for (uint32_t d = 0; d < op->depth; d++)
    sum += (left[d * op->left_strides[2]] - op->left_zero_point) *
           (right[d * op->right_strides[2]] - op->right_zero_point);
  return sum;
}

edge_status_t edge_batch_matmul_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_matmul_t *op = (const edge_op_matmul_t *)record;
  const int8_t *left = (const int8_t *)edge_at(memory, op->left);
  const int8_t *right = (const int8_t *)edge_at(memory, op->right);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  const uint32_t *ls = op->left_strides;
  const uint32_t *rs = op->right_strides;
  for (uint32_t b = 0; b < op->batches; b++) {
    for (uint32_t r = 0; r < op->rows; r++) {
      for (uint32_t c = 0; c < op->columns; c++) {
        int32_t sum = dot(op, left + b * ls[0] + r * ls[1], right + b * rs[0] + c * rs[1]);
        *out++ = (int8_t)edge_requantise(sum, op->multiplier, op->shift, op->zero_point, -128, 127);
      }
    }
  }
  return EDGE_OK;
}
