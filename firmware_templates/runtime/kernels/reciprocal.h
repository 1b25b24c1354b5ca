/* 1 / (1 + x) in TFLite's fixed-point arithmetic, for the functions that end a classifier. */
#ifndef EDGE_KERNELS_RECIPROCAL_H
#define EDGE_KERNELS_RECIPROCAL_H

#include "fixed_point.h"

/* x * 2^exponent, saturated. */
static inline int32_t edge_scale_up(int32_t x, uint32_t exponent) {
  int32_t limit = (int32_t)((1u << (31u - exponent)) - 1u);
  if (x > limit)
    return INT32_MAX;
  if (x < -limit)
    return INT32_MIN;
  return (int32_t)((uint32_t)x << exponent);
}

/* 1 / (1 + x) of x >= 0 as Q0.31 by three Newton steps, as TFLite's fixed-point library computes
 * it. */
static inline int32_t edge_reciprocal_of_one_plus(int32_t x) {
  const int32_t c48_17 = 1515870810;
  const int32_t c32_17 = -1010580540;
  const int32_t one = 1 << 29;
  int32_t half = (1 << 30) + (x >> 1);
  int32_t y = c48_17 + edge_doubling_high_mul(half, c32_17);
  for (int i = 0; i < 3; i++) {
    int32_t error = one - edge_doubling_high_mul(half, y);
    y = edge_wrap_add(y, edge_scale_up(edge_doubling_high_mul(y, error), 2));
  }
  return edge_scale_up(y, 1);
}

#endif
