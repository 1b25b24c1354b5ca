/* int16 softmax in plain C, by TFLite's tables. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"

/* The table at -32768 .. 32767 in 512 steps of 128, interpolated. */
static int32_t look_up(const int16_t *table, int32_t value) {
  uint32_t index = (uint32_t)(256 + (value >> 7));
  int32_t slope = table[index + 1] - table[index];
  return table[index] + ((slope * (value & 127) + 64) >> 7);
}

/* exp of a difference from the maximum, as Q0.15. */
static int32_t exponential(const edge_op_softmax16_t *op, const int16_t *exps, int32_t difference) {
  int32_t scaled = edge_rescale(difference, op->multiplier, op->shift);
  return look_up(exps, edge_clamp(edge_wrap_add(scaled, 32767), -32768, 32767));
}

/* Bits of a positive number above its highest set one. */
static uint32_t leading_zeros(uint32_t x) {
  uint32_t count = 0;
  for (uint32_t bit = 1u << 31; !(x & bit); bit >>= 1)
    count++;
  return count;
}

static void softmax_row(const edge_op_softmax16_t *op, const int16_t *exps, const int16_t *table,
                        const int16_t *in, int16_t *out) {
  int32_t best = in[0];
  for (uint32_t i = 1; i < op->depth; i++)
    best = in[i] > best ? in[i] : best;
  uint32_t sum = 0;
  for (uint32_t i = 0; i < op->depth; i++)
    sum += (uint32_t)exponential(op, exps, in[i] - best);
  uint32_t zeros = leading_zeros(sum);
  int32_t scaled = (int32_t)(((sum << (zeros - 1)) + (1u << 13)) >> 14);
  int32_t reciprocal = look_up(table, edge_clamp(scaled - 98304, -32768, 32767));
  uint32_t shift = 31 - zeros;
  for (uint32_t i = 0; i < op->depth; i++) {
    int32_t product = exponential(op, exps, in[i] - best) * reciprocal;
    out[i] = (int16_t)edge_clamp((product + (int32_t)(1u << (shift - 1))) >> shift, 0, 32767);
  }
}

edge_status_t edge_softmax_s16_run(const edge_memory_t *memory, const void *record) {
  const edge_op_softmax16_t *op = (const edge_op_softmax16_t *)record;
  const int16_t *input = (const int16_t *)edge_at(memory, op->input);
  const int16_t *exps = (const int16_t *)edge_at(memory, op->exp_table);
  const int16_t *table = (const int16_t *)edge_at(memory, op->reciprocal_table);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  for (uint32_t r = 0; r < op->rows; r++, input += op->depth, out += op->depth)
    softmax_row(op, exps, table, input, out);
  return EDGE_OK;
}
