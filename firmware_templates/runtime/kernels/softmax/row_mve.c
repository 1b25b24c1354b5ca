/* Softmax of int8 rows by Helium: terms come four at a time from a gathering load. */
#include "row.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

static inline uint32x4_t below(int32_t best, int32x4_t x) {
  return vreinterpretq_u32_s32(vsubq_s32(vdupq_n_s32(best), x));
}

/* Terms are never negative: VRSHR and VRSHL round as TFLite does. */
static inline int32x4_t output(const edge_softmax_scale_t *scale, int32x4_t term) {
  int32x4_t v = vrshlq_n_s32(vqrdmulhq_n_s32(term, scale->multiplier), -(int32_t)scale->right);
  return vminq_s32(vsubq_n_s32(v, 128), vdupq_n_s32(127));
}

void edge_softmax_s8_row(const int8_t *in, int8_t *out, uint32_t depth, const int32_t *exps) {
  int8_t largest = -128;
  for (uint32_t i = 0; i < depth; i += 16) {
    mve_pred16_t active = vctp8q(depth - i);
    largest = vmaxvq_p_s8(largest, vldrbq_z_s8(in + i, active), active);
  }
  const int32_t best = largest;
  const mve_pred16_t rest = vctp32q(depth % 4);
  const int8_t *last = in + (depth - depth % 4), *at = in;
  int32_t sum = 0;
  for (; at != last; at += 4) {
    int32x4_t terms = vldrwq_gather_shifted_offset_s32(exps, below(best, vldrbq_s32(at)));
    sum = vaddvaq_s32(sum, vrshrq_n_s32(terms, 12));
  }
  const uint32x4_t few = below(best, vldrbq_z_s32(at, rest));
  const int32x4_t terms = vldrwq_gather_shifted_offset_z_s32(exps, few, rest);
  sum = vaddvaq_s32(sum, vrshrq_n_s32(terms, 12));
  const edge_softmax_scale_t scale = edge_softmax_scale_of((uint32_t)sum);
  for (at = in; at != last; at += 4, out += 4) {
    int32x4_t four = vldrwq_gather_shifted_offset_s32(exps, below(best, vldrbq_s32(at)));
    vstrbq_s32(out, output(&scale, four));
  }
  vstrbq_p_s32(out, output(&scale, terms), rest);
}

#endif
