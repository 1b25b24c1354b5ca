/* Dot products of int8 vectors, four weight rows at a time so that activations load once. */
#ifndef EDGE_KERNELS_DOT_H
#define EDGE_KERNELS_DOT_H

#include <stdint.h>

/* acc[r] += sum_i x[i] * w[r * stride + i] for r < 4. */
static inline void edge_dot4_s8(const int8_t *x, const int8_t *w, uint32_t stride, uint32_t depth,
                                int32_t acc[4]) {
  const int8_t *w0 = w;
  const int8_t *w1 = w0 + stride;
  const int8_t *w2 = w1 + stride;
  const int8_t *w3 = w2 + stride;
  int32_t a0 = 0;
  int32_t a1 = 0;
  int32_t a2 = 0;
  int32_t a3 = 0;
  for (uint32_t i = 0; i < depth; i++) {
    int32_t v = x[i];
    a0 += v * w0[i];
    a1 += v * w1[i];
    a2 += v * w2[i];
    a3 += v * w3[i];
  }
  acc[0] += a0;
  acc[1] += a1;
  acc[2] += a2;
  acc[3] += a3;
}

static inline int32_t edge_dot_s8(const int8_t *x, const int8_t *w, uint32_t depth) {
  int32_t acc = 0;
  for (uint32_t i = 0; i < depth; i++)
    acc += x[i] * w[i];
  return acc;
}

#endif
