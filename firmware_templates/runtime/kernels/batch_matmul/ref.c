/* Matrix products in plain C. */
#include "../check.h"
#include "../matrix/rows.h"
#include "kernel.h"
#include "line.h"

static int32_t dot(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right) {
  int32_t sum = 0;
  for (uint32_t d = 0; d < op->depth; d++)
    sum += (left[d * op->left_strides[2]] - op->left_zero_point) *
           (right[d * op->right_strides[2]] - op->right_zero_point);
  return sum;
}

/* Outputs of one line of the left side with all of the right one. */
static void line(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right, int8_t *out) {
  const edge_rows_t how = {op->multiplier, op->shift, op->zero_point, -128, 127};
  const uint32_t step = op->right_strides[1];
  int32_t sums[EDGE_MATMUL_PART];
  for (uint32_t c = 0; c < op->columns; c += EDGE_MATMUL_PART, right += EDGE_MATMUL_PART * step) {
    uint32_t rest = op->columns - c;
    uint32_t count = rest < EDGE_MATMUL_PART ? rest : EDGE_MATMUL_PART;
    if (!EDGE_MATMUL_SUMS(op, left, right, count, sums)) {
      for (uint32_t k = 0; k < count; k++)
        sums[k] = dot(op, left, right + k * step);
    }
    edge_rows(&how, NULL, 0, count, sums, out + c);
  }
}

edge_status_t edge_batch_matmul_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_matmul_t *op = (const edge_op_matmul_t *)record;
  const int8_t *left = (const int8_t *)edge_at(memory, op->left);
  const int8_t *right = (const int8_t *)edge_at(memory, op->right);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  const uint32_t *ls = op->left_strides;
  const uint32_t *rs = op->right_strides;
  for (uint32_t b = 0; b < op->batches; b++) {
    for (uint32_t r = 0; r < op->rows; r++, out += op->columns)
      line(op, left + b * ls[0] + r * ls[1], right + b * rs[0], out);
  }
  return EDGE_OK;
}
