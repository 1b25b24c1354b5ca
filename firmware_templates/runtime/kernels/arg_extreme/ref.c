/* Index of the largest or smallest value in plain C. */
#include "../check.h"
#include "kernel.h"

static int32_t value_of(const void *input, uint32_t dtype, uint32_t index) {
  switch (dtype) {
  case EDGE_S16:
    return ((const int16_t *)input)[index];
  case EDGE_U8:
    return ((const uint8_t *)input)[index];
  default:
    return ((const int8_t *)input)[index];
  }
}

/* Of the values from `at` on, op->inner apart. */
static uint32_t first_of_best(const edge_op_arg_extreme_t *op, const void *input, uint32_t at) {
  int32_t best = op->sign * value_of(input, op->input_dtype, at);
  uint32_t found = 0;
  for (uint32_t r = 1; r < op->reduce; r++) {
    at += op->inner;
    const int32_t value = op->sign * value_of(input, op->input_dtype, at);
    if (value > best) {
      best = value;
      found = r;
    }
  }
  return found;
}

edge_status_t edge_arg_extreme_run(const edge_memory_t *memory, const void *record) {
  const edge_op_arg_extreme_t *op = (const edge_op_arg_extreme_t *)record;
  const void *input = edge_at(memory, op->input);
  void *out = edge_at(memory, op->head.out);
  uint32_t count = 0;
  for (uint32_t o = 0; o < op->outer; o++) {
    for (uint32_t i = 0; i < op->inner; i++, count++) {
      const uint32_t found = first_of_best(op, input, o * op->reduce * op->inner + i);
      if (op->head.out_dtype == EDGE_S64)
        ((int64_t *)out)[count] = found;
      else
        ((int32_t *)out)[count] = (int32_t)found;
    }
  }
  return EDGE_OK;
}
