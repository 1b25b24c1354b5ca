/* TFLite's fixed-point arithmetic (fixed_point.h) by the DSP extension's rounding multiplications.
 *
 * SMMLAR gives (a * b + 2^31) / 2^32 + c: with twice x for a, that is edge_doubling_high_mul. The
 * shift's rounding and the zero point go into c, so that both roundings and the sum take one
 * multiplication, one addition of the sign (ties go away from zero) and one shift. */
#ifndef EDGE_KERNELS_RESCALE_DSP_H
#define EDGE_KERNELS_RESCALE_DSP_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

static inline int32_t edge_smmlar(int32_t a, int32_t b, int32_t c) {
  int32_t result;
  __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}

static inline int32_t edge_smmulr(int32_t a, int32_t b) {
  int32_t result;
  __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
  return result;
}

/* Saturated to int8 or int16. */
static inline int32_t edge_ssat(int32_t x, bool wide) {
  int32_t result;
  if (wide)
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(x));
  else
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
  return result;
}

/* A scale with shift < 0, and what is added after it. */
typedef struct edge_down {
  int32_t multiplier;
  int32_t round; /* half of the last place, and the offset, in units before the shift */
  uint32_t right;
  int32_t sign; /* -1: negative numbers step down before the shift; for edge_scale_any */
} edge_down_t;

/* `offset` leaves room for x: both stay below 2^29 before the shift. */
static inline bool edge_down_fits(int32_t shift, int32_t offset) {
  int32_t size = offset < 0 ? -offset : offset;
  return shift < 0 && (size == 0 || (shift >= -29 && size < 1 << (29 + shift)));
}

static inline edge_down_t edge_down_of(int32_t multiplier, int32_t shift, int32_t offset) {
  uint32_t right = (uint32_t)-shift;
  return (edge_down_t){.multiplier = multiplier,
                       .round = (int32_t)((1u << (right - 1)) + ((uint32_t)offset << right)),
                       .right = right,
                       .sign = -1};
}

/* edge_rescale(x, ...) + offset of twice x, |x| <= 2^30. Where x < 0 < x * multiplier / 2^31 + 1,
 * the sign's step down changes nothing. */
static inline int32_t edge_scale_down(const edge_down_t *by, int32_t twice) {
  return (edge_smmlar(twice, by->multiplier, by->round) + (twice >> 31)) >> by->right;
}

/* A scale of either direction for numbers of at most `bits` bits and a sign, which count `unit`
 * each: twice themselves, to the left as far as the scale says. false: it goes too far. */
static inline bool edge_any_of(int32_t multiplier, int32_t shift, int32_t offset, int32_t bits,
                               int32_t *unit, edge_down_t *down) {
  if (shift < 0) {
    *unit = 2;
    *down = edge_down_of(multiplier, shift, offset);
    return edge_down_fits(shift, offset);
  }
  if (bits + shift > 30)
    return false;
  *unit = 2 << shift;
  *down = (edge_down_t){.multiplier = multiplier, .round = offset};
  return true;
}

/* edge_scale_down, or nothing to shift and no ties. */
static inline int32_t edge_scale_any(const edge_down_t *by, int32_t twice) {
  int32_t step = twice >> 31 & by->sign;
  return (edge_smmlar(twice, by->multiplier, by->round) + step) >> by->right;
}

/* edge_scale_down of any x: all 64 bits of its product, to which rounding, offset and sign are
 * added. */
typedef struct edge_wide_down {
  int32_t multiplier;
  uint32_t low;
  int32_t high;
  int32_t sign; /* a step down is 2^31, which flips the highest bit of low and borrows, or, with
                   shift -1, only takes away what is there */
  uint32_t right;
} edge_wide_down_t;

static inline edge_wide_down_t edge_wide_down_of(int32_t multiplier, int32_t shift,
                                                 int32_t offset) {
  uint32_t right = (uint32_t)-shift - 1;
  edge_wide_down_t by = {.multiplier = multiplier, .low = 3u << 30, .right = right};
  by.high = (int32_t)((uint32_t)offset << right);
  if (right > 0) {
    by.low = 1u << 30;
    by.high += (int32_t)(1u << (right - 1));
    by.sign = -1;
  }
  return by;
}

static inline int32_t edge_scale_wide(const edge_wide_down_t *by, int32_t x) {
  uint32_t low = by->low ^ (uint32_t)(x >> 31) << 31;
  int32_t high = by->high + (x >> 31 & by->sign);
  __asm__("smlal %0, %1, %2, %3" : "+r"(low), "+r"(high) : "r"(x), "r"(by->multiplier));
  return high >> by->right;
}

#endif
#endif
