/* int16 logistic and tanh in plain C: TFLite's table of logistic(i / 24) as Q0.16, interpolated;
 * tanh(x) = 2 logistic(2 x) - 1. */
#include "../check.h"
#include "kernel.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* The input in units of 1 / (3 * 4096). */
static int32_t argument(const edge_op_curve_t *op, int32_t x) {
  int32_t round = op->left_shift > 0 ? (int32_t)(1u << (uint32_t)(op->left_shift - 1)) : 0;
  return (x * op->multiplier + round) >> op->left_shift;
}

/* Table value at `at`, of which the lower `bits` are the fraction, as Q0.(16 + bits). */
static int32_t interpolate(const uint16_t *table, uint32_t at, uint32_t bits, int32_t saturated) {
  uint32_t index = at >> bits;
  if (index >= 255)
    return saturated;
  int32_t from = table[index];
  int32_t to = table[index + 1];
  return (from << bits) + (int32_t)(at & ((1u << bits) - 1u)) * (to - from);
}

edge_status_t edge_logistic_s16_run(const edge_memory_t *memory, const void *record) {
  const edge_op_curve_t *op = (const edge_op_curve_t *)record;
  const int16_t *input = (const int16_t *)edge_at(memory, op->input);
  const uint16_t *table = (const uint16_t *)edge_at(memory, op->table);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  for (uint32_t i = 0; i < op->count; i++) {
    int32_t x = argument(op, input[i]);
    int32_t y = interpolate(table, (uint32_t)(x < 0 ? -x : x), 9, 0x7fff << 10);
    y = x >= 0 ? y + (1 << 9) : (1 << 25) - y + (1 << 9) - 1;
    out[i] = (int16_t)(y >> 10);
  }
  return EDGE_OK;
}

edge_status_t edge_tanh_s16_run(const edge_memory_t *memory, const void *record) {
  const edge_op_curve_t *op = (const edge_op_curve_t *)record;
  const int16_t *input = (const int16_t *)edge_at(memory, op->input);
  const uint16_t *table = (const uint16_t *)edge_at(memory, op->table);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  for (uint32_t i = 0; i < op->count; i++) {
    int32_t x = argument(op, input[i]);
    int32_t y = interpolate(table, (uint32_t)(x < 0 ? -x : x), 8, 0xffff << 8);
    y = x >= 0 ? y - (1 << 23) + (1 << 7) : -y + (1 << 23) + (1 << 7) - 1;
    out[i] = (int16_t)(y >> 8);
  }
  return EDGE_OK;
}

#endif
