/* Mean in plain C. The converter folds 1 / count into the multiplier, as TFLite does. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"

static void mean_s8(const edge_op_mean_t *op, const int8_t *input, int8_t *out) {
  for (uint32_t o = 0; o < op->outer; o++) {
    for (uint32_t i = 0; i < op->inner; i++) {
      int32_t sum = 0;
      for (uint32_t r = 0; r < op->reduce; r++)
        sum += input[(o * op->reduce + r) * op->inner + i] - op->input_zero_point;
      *out++ = (int8_t)edge_requantise(sum, op->multiplier, op->shift, op->zero_point, -128, 127);
    }
  }
}

static void mean_s16(const edge_op_mean_t *op, const int16_t *input, int16_t *out) {
  for (uint32_t o = 0; o < op->outer; o++) {
    for (uint32_t i = 0; i < op->inner; i++) {
      int32_t sum = 0;
      for (uint32_t r = 0; r < op->reduce; r++)
        sum += input[(o * op->reduce + r) * op->inner + i] - op->input_zero_point;
      *out++ =
          (int16_t)edge_requantise(sum, op->multiplier, op->shift, op->zero_point, -32768, 32767);
    }
  }
}

edge_status_t edge_mean_run(const edge_memory_t *memory, const void *record) {
  const edge_op_mean_t *op = (const edge_op_mean_t *)record;
  if (op->head.out_dtype == EDGE_S16)
    mean_s16(op, (const int16_t *)edge_at(memory, op->input),
             (int16_t *)edge_at(memory, op->head.out));
  else
    mean_s8(op, (const int8_t *)edge_at(memory, op->input),
            (int8_t *)edge_at(memory, op->head.out));
  return EDGE_OK;
}
