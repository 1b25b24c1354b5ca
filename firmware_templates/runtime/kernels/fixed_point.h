/* TFLite's fixed-point arithmetic with double rounding, as its reference kernels compute it.
 *
 * Sums that TFLite leaves to wrap do so here by unsigned arithmetic, so that no input is undefined
 * behaviour. Right shifts of negative numbers are arithmetic on every compiler we build with. */
#ifndef EDGE_KERNELS_FIXED_POINT_H
#define EDGE_KERNELS_FIXED_POINT_H

#include <stdint.h>

static inline int32_t edge_wrap_add(int32_t a, int32_t b) {
  return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t edge_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Zero bits above the highest set one of x > 0. */
static inline uint32_t edge_leading_zeros(uint32_t x) { return (uint32_t)__builtin_clz(x); }

/* round(a * b / 2^31), ties up; b >= 0, so a * b = 2^62 cannot occur. */
static inline int32_t edge_doubling_high_mul(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent, ties away from zero; exponent 0 to 31. */
static inline int32_t edge_rounding_shift(int32_t x, uint32_t exponent) {
  int32_t mask = (int32_t)((1u << exponent) - 1u);
  int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/* x * multiplier / 2^31 * 2^shift, rounded twice; multiplier >= 0, shift -31 to 30. */
static inline int32_t edge_rescale(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0)
    return edge_doubling_high_mul((int32_t)((uint32_t)x << (uint32_t)shift), multiplier);
  return edge_rounding_shift(edge_doubling_high_mul(x, multiplier), (uint32_t)-shift);
}

/* The same for a 64-bit sum, with TFLite's 16-bit multiplier; shift -31 to 7. */
static inline int32_t edge_rescale64(int64_t x, int32_t multiplier, int32_t shift) {
  int64_t reduced = multiplier < 0x7fff0000 ? (multiplier + (1 << 15)) >> 16 : 0x7fff;
  uint32_t total = (uint32_t)(15 - shift);
  uint64_t product = (uint64_t)x * (uint64_t)reduced + ((uint64_t)1 << (total - 1));
  return (int32_t)((int64_t)product >> total);
}

/* An accumulator to its output: rescale, zero point, activation range. */
static inline int32_t edge_requantise(int32_t acc, int32_t multiplier, int32_t shift,
                                      int32_t zero_point, int32_t low, int32_t high) {
  return edge_clamp(edge_wrap_add(edge_rescale(acc, multiplier, shift), zero_point), low, high);
}

#endif
