/* TFLite's fixed-point arithmetic (fixed_point.h) on Helium vectors of four. */
#ifndef EDGE_KERNELS_HELIUM_H
#define EDGE_KERNELS_HELIUM_H

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#include <stdint.h>

/* x / 2^right, ties away from zero: VRSHL rounds ties up, so negative numbers step down first. The
 * sign of -right takes that step away where nothing is shifted. */
static inline int32x4_t edge_rounding_shift4(int32x4_t x, int32x4_t minus_right) {
  int32x4_t step = vshrq_n_s32(vandq_s32(x, minus_right), 31);
  return vrshlq_s32(vqaddq_s32(x, step), minus_right);
}

/* The same of one shift for all, 0 or to the right. VQDMLAH steps down: twice a negative number is
 * -1 in the high half. */
static inline int32x4_t edge_rounding_shift4_n(int32x4_t x, int32_t minus_right) {
  return vrshlq_n_s32(vqdmlahq_n_s32(x, x, minus_right < 0 ? 1 : 0), minus_right);
}

/* edge_rescale of four sums. */
static inline int32x4_t edge_rescale4(int32x4_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0)
    return vqrdmulhq_n_s32(vshlq_r_s32(x, shift), multiplier);
  return edge_rounding_shift4_n(vqrdmulhq_n_s32(x, multiplier), shift);
}

#endif
#endif
