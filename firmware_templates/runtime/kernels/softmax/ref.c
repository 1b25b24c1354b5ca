/* Softmax of int8 rows in plain C: TFLite's fixed-point reference, with exp from a table. */
#include "../check.h"
#include "kernel.h"
#include "row.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

void edge_softmax_s8_row(const int8_t *in, int8_t *out, uint32_t depth, const int32_t *exps) {
  int32_t best = in[0];
  for (uint32_t i = 1; i < depth; i++)
    best = in[i] > best ? in[i] : best;
  int32_t sum = 0; /* Q12.19 */
  for (uint32_t i = 0; i < depth; i++)
    sum += edge_rounding_shift(exps[best - in[i]], 12);
  const edge_softmax_scale_t scale = edge_softmax_scale_of((uint32_t)sum);
  for (uint32_t i = 0; i < depth; i++) {
    int32_t value = edge_doubling_high_mul(scale.multiplier, exps[best - in[i]]);
    value = edge_rounding_shift(value, scale.right);
    out[i] = (int8_t)edge_clamp(value - 128, -128, 127);
  }
}

#endif

edge_status_t edge_softmax_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_softmax_t *op = (const edge_op_softmax_t *)record;
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int32_t *exps = (const int32_t *)edge_at(memory, op->exp_table);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t r = 0; r < op->rows; r++, input += op->depth, out += op->depth)
    edge_softmax_s8_row(input, out, op->depth, exps);
  return EDGE_OK;
}
