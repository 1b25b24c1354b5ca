/* The fast forms of the int16 softmax. */
#ifndef EDGE_KERNELS_SOFTMAX16_ROW_H
#define EDGE_KERNELS_SOFTMAX16_ROW_H

#include "../check.h"
#include "../fixed_point.h"

/* How a row's terms become its outputs: times the reciprocal, / 2^right. */
typedef struct edge_softmax16_scale {
  int32_t reciprocal;
  int32_t right; /* 1 to 29 */
} edge_softmax16_scale_t;

/* The table at -32768 .. 32767 in 512 steps of 128, interpolated. */
static inline int32_t edge_softmax16_look_up(const int16_t *table, int32_t value) {
  uint32_t index = (uint32_t)(256 + (value >> 7));
  int32_t slope = table[index + 1] - table[index];
  return table[index] + ((slope * (value & 127) + 64) >> 7);
}

/* Of the sum of a row's terms. */
static inline edge_softmax16_scale_t edge_softmax16_scale_of(uint32_t sum, const int16_t *table) {
  uint32_t zeros = edge_leading_zeros(sum);
  int32_t scaled = (int32_t)(((sum << (zeros - 1)) + (1u << 13)) >> 14);
  return (edge_softmax16_scale_t){
      .reciprocal = edge_softmax16_look_up(table, edge_clamp(scaled - 98304, -32768, 32767)),
      .right = (int32_t)(31 - zeros)};
}

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)
/* out[i] = softmax of in[0 .. op->depth - 1], which may be the same: terms wait in `out` for their
 * sum. false: of a scale that this form does not cover, and nothing was written. */
bool edge_softmax_s16_row(const edge_op_softmax16_t *op, const int16_t *exps, const int16_t *table,
                          const int16_t *in, int16_t *out);
#define EDGE_SOFTMAX16_ROW edge_softmax_s16_row
#else
#define EDGE_SOFTMAX16_ROW(op, exps, table, in, out) false
#endif

#endif
