/* int16 softmax in plain C, by TFLite's tables. */
#include "../check.h"
#include "kernel.h"
#include "row.h"

/* exp of a difference from the maximum, as Q0.15. */
static int32_t exponential(const edge_op_softmax16_t *op, const int16_t *exps, int32_t difference) {
  int32_t scaled = edge_rescale(difference, op->multiplier, op->shift);
  return edge_softmax16_look_up(exps, edge_clamp(edge_wrap_add(scaled, 32767), -32768, 32767));
}

static void softmax_row(const edge_op_softmax16_t *op, const int16_t *exps, const int16_t *table,
                        const int16_t *in, int16_t *out) {
  int32_t best = in[0];
  for (uint32_t i = 1; i < op->depth; i++)
    best = in[i] > best ? in[i] : best;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < op->depth; i++)
    sum += (uint32_t)exponential(op, exps, in[i] - best);
  const edge_softmax16_scale_t scale = edge_softmax16_scale_of(sum, table);
  const int32_t half = 1 << (scale.right - 1);
  for (uint32_t i = 0; i < op->depth; i++) {
    int32_t product = exponential(op, exps, in[i] - best) * scale.reciprocal;
    out[i] = (int16_t)edge_clamp((product + half) >> scale.right, 0, 32767);
  }
}

edge_status_t edge_softmax_s16_run(const edge_memory_t *memory, const void *record) {
  const edge_op_softmax16_t *op = (const edge_op_softmax16_t *)record;
  const int16_t *input = (const int16_t *)edge_at(memory, op->input);
  const int16_t *exps = (const int16_t *)edge_at(memory, op->exp_table);
  const int16_t *table = (const int16_t *)edge_at(memory, op->reciprocal_table);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  for (uint32_t r = 0; r < op->rows; r++, input += op->depth, out += op->depth) {
    if (!EDGE_SOFTMAX16_ROW(op, exps, table, input, out))
      softmax_row(op, exps, table, input, out);
  }
  return EDGE_OK;
}
