/* Fully connected in plain C. */
#include "../check.h"
#include "../dot.h"
#include "../fixed_point.h"
#include "kernel.h"
#include "wide.h"

static int8_t output_s8(const edge_op_fully_connected_t *op, const int32_t *scales, uint32_t row,
                        int32_t acc) {
  int32_t multiplier = scales ? scales[2 * row] : op->multiplier;
  int32_t shift = scales ? scales[2 * row + 1] : op->shift;
  return (int8_t)edge_requantise(acc, multiplier, shift, op->zero_point, op->low, op->high);
}

EDGE_RARE static void run_plain(const edge_memory_t *memory, const edge_op_fully_connected_t *op) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int8_t *weights = (const int8_t *)edge_at(memory, op->weights);
  const int32_t *bias = (const int32_t *)edge_at(memory, op->bias);
  const int32_t *scales = (const int32_t *)edge_at(memory, op->scales);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t depth = op->depth;
  for (uint32_t b = 0; b < op->batches; b++, input += depth, out += op->rows) {
    uint32_t row = 0;
    for (; row + 4 <= op->rows; row += 4) {
      int32_t acc[4] = {0};
      edge_dot4_s8(input, weights + row * depth, depth, depth, acc);
      for (uint32_t k = 0; k < 4; k++)
        out[row + k] = output_s8(op, scales, row + k, edge_wrap_add(acc[k], bias[row + k]));
    }
    for (; row < op->rows; row++) {
      int32_t acc = edge_dot_s8(input, weights + row * depth, depth);
      out[row] = output_s8(op, scales, row, edge_wrap_add(acc, bias[row]));
    }
  }
}

edge_status_t edge_fully_connected_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_fully_connected_t *op = (const edge_op_fully_connected_t *)record;
  if (op->head.variant == 0)
    run_plain(memory, op);
  else
    edge_fully_connected_packed(memory, op);
  return EDGE_OK;
}

static int16_t output_s16(const edge_op_fully_connected_t *op, const int32_t *scales, uint32_t row,
                          int64_t acc) {
  int32_t multiplier = scales ? scales[2 * row] : op->multiplier;
  int32_t shift = scales ? scales[2 * row + 1] : op->shift;
  int32_t value = op->sum_bits == 64 ? edge_rescale64(acc, multiplier, shift)
                                     : edge_rescale((int32_t)(uint32_t)acc, multiplier, shift);
  return (int16_t)edge_clamp(edge_wrap_add(value, op->zero_point), op->low, op->high);
}

edge_status_t edge_fully_connected_s16_run(const edge_memory_t *memory, const void *record) {
  const edge_op_fully_connected_t *op = (const edge_op_fully_connected_t *)record;
  const int16_t *input = (const int16_t *)edge_at(memory, op->input);
  const int8_t *weights = (const int8_t *)edge_at(memory, op->weights);
  const int64_t *bias = (const int64_t *)edge_at(memory, op->bias);
  const int32_t *scales = (const int32_t *)edge_at(memory, op->scales);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  for (uint32_t b = 0; b < op->batches; b++, input += op->depth, out += op->rows) {
    for (uint32_t row = 0; row < op->rows; row += 4) {
      uint32_t left = op->rows - row;
      int64_t sums[4];
      edge_dot4_s16(input, weights + row * op->depth, left < 4 ? left : 4, op->depth, sums);
      for (uint32_t k = 0; k < 4 && k < left; k++) {
        int64_t acc = (int64_t)((uint64_t)sums[k] + (uint64_t)bias[row + k]);
        out[row + k] = output_s16(op, scales, row + k, acc);
      }
    }
  }
  return EDGE_OK;
}
