/* Softmax of int16 rows by the DSP extension: two neighbours of the table in one word, weighted by
 * one SMLAD. */
#include "row.h"

#include "../rescale_dsp.h"
#include "../words_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

bool edge_softmax_s16_row(const edge_op_softmax16_t *op, const int16_t *exps, const int16_t *table,
                          const int16_t *in, int16_t *out) {
  int32_t unit;
  edge_down_t down;
  if (!edge_any_of(op->multiplier, op->shift, 0xffff, 16, &unit, &down))
    return false;
  int32_t offset = -edge_largest_of(in, 2 * op->depth, true) * unit;
  __asm__("" : "+r"(offset));                   /* into a register, for MLA */
  const int32_t round = down.round + down.sign; /* no difference is positive */
  uint32_t sum = 0;
  int16_t *term = out;
  for (const int16_t *end = in + op->depth; in != end; in++, term++) {
    int32_t at = edge_smmlar(*in * unit + offset, down.multiplier, round) >> down.right;
    __asm__("usat %0, #16, %1" : "=r"(at) : "r"(at));
    uint32_t weights = (uint32_t)((at & 127) * 0xffff + 128);
    at = edge_smlad(edge_word_at(exps + (at >> 7)), weights, 64) >> 7;
    sum += (uint32_t)at;
    *term = (int16_t)at;
  }
  const edge_softmax16_scale_t scale = edge_softmax16_scale_of(sum, table);
  const int32_t half = 1 << (scale.right - 1);
  for (; out != term; out++) {
    int32_t y = (*out * scale.reciprocal + half) >> scale.right;
    __asm__("usat %0, #15, %1" : "=r"(y) : "r"(y));
    *out = (int16_t)y;
  }
  return true;
}

#endif
