/* int16 logistic and tanh by the DSP extension: two neighbours of the table in one word, weighted
 * by one SMLAD. */
#include "../words_dsp.h"
#include "curve.h"
#include "kernel.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* What one multiplication and addition makes weights of a fraction with, in registers. */
typedef struct weighing {
  uint32_t spread;
  uint32_t unit;
} weighing_t;

/* p at an argument's size. The table is unsigned, SMLAD is not. */
static inline __attribute__((always_inline)) int32_t interpolated(edge_curve_t curve, weighing_t by,
                                                                  const uint16_t *table,
                                                                  uint32_t at) {
  if (at >= 255u << curve.bits)
    return curve.saturated;
  uint32_t pair = edge_word_at(table + (at >> curve.bits)) ^ 0x80008000u;
  uint32_t weights = (at & ((1u << curve.bits) - 1u)) * by.spread + by.unit;
  const int32_t offset = (1 << (15 + curve.bits)) + (1 << (curve.right - 1));
  return edge_smlad(pair, weights, offset) >> curve.right;
}

static inline __attribute__((always_inline)) void
run(edge_curve_t curve, const edge_memory_t *memory, const edge_op_curve_t *op) {
  const int16_t *in = (const int16_t *)edge_at(memory, op->input);
  const uint16_t *table = (const uint16_t *)edge_at(memory, op->table);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  const int32_t multiplier = op->multiplier, round = edge_curve_round(op);
  const uint32_t right = (uint32_t)op->left_shift;
  weighing_t by = {0xffff, 1u << curve.bits};
  __asm__("" : "+r"(by.spread), "+r"(by.unit));
  for (const int16_t *end = in + op->count; in != end; in++, out++) {
    int32_t x = (*in * multiplier + round) >> right;
    int32_t y;
    if (x >= 0)
      y = interpolated(curve, by, table, (uint32_t)x) + curve.centre - curve.middle;
    else
      y = curve.centre + curve.middle - interpolated(curve, by, table, (uint32_t)-x);
    *(uint16_t *)out = (uint16_t)y;
  }
}

edge_status_t edge_logistic_s16_run(const edge_memory_t *memory, const void *record) {
  run(edge_curve_logistic, memory, (const edge_op_curve_t *)record);
  return EDGE_OK;
}

edge_status_t edge_tanh_s16_run(const edge_memory_t *memory, const void *record) {
  run(edge_curve_tanh, memory, (const edge_op_curve_t *)record);
  return EDGE_OK;
}

#endif
