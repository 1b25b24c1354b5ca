/* SVDF in plain C. */
#include <string.h>

#include "../check.h"
#include "../dot.h"
#include "../fixed_point.h"
#include "kernel.h"

/* The filter's memory moves by one step and takes the newest product; returns its sum over time,
 * which wraps as TFLite's does. */
static uint32_t filter_sum(const edge_op_svdf_t *op, int32_t product, int16_t *memory,
                           const int16_t *weights) {
  uint32_t last = op->steps - 1;
  memmove(memory, memory + 1, last * sizeof *memory);
  memory[last] = (int16_t)edge_requantise(product, op->feature_multiplier, op->feature_shift, 0,
                                          -32768, 32767);
  uint32_t sum = 0;
  for (uint32_t t = 0; t < op->steps; t++)
    sum += (uint32_t)(memory[t] * weights[t]);
  return sum;
}

edge_status_t edge_svdf_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_svdf_t *op = (const edge_op_svdf_t *)record;
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int8_t *features = (const int8_t *)edge_at(memory, op->feature_weights);
  const int32_t *feature_bias = (const int32_t *)edge_at(memory, op->feature_bias);
  const int16_t *times = (const int16_t *)edge_at(memory, op->time_weights);
  const int32_t *bias = (const int32_t *)edge_at(memory, op->bias);
  int16_t *kept = (int16_t *)edge_at(memory, op->memory);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t sum = 0;
  for (uint32_t f = 0; f < op->filters; f++) {
    int32_t product = edge_dot_s8(input, features + f * op->inputs, op->inputs);
    sum += filter_sum(op, edge_wrap_add(product, feature_bias[f]), kept + f * op->steps,
                      times + f * op->steps);
    if ((f + 1) % op->rank == 0) {
      uint32_t unit = f / op->rank;
      int32_t total = edge_wrap_add((int32_t)sum, bias[unit]);
      out[unit] =
          (int8_t)edge_requantise(total, op->multiplier, op->shift, op->zero_point, -128, 127);
      sum = 0;
    }
  }
  return EDGE_OK;
}
