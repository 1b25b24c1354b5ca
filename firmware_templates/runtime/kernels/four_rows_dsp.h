/* Products of 16-bit columns with four int8 rows by the DSP extension: SXTB16 takes columns 0 and
 * 2, then 1 and 3 of four weights, so that pairs of columns are made once for four rows. */
#ifndef EDGE_KERNELS_FOUR_ROWS_DSP_H
#define EDGE_KERNELS_FOUR_ROWS_DSP_H

#include "words_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

static inline int32_t edge_add_four(uint32_t even, uint32_t odd, uint32_t weights, int32_t sum) {
  uint32_t w02, w13;
  __asm__("sxtb16 %0, %1" : "=r"(w02) : "r"(weights));
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(w13) : "r"(weights));
  return edge_smlad(w13, odd, edge_smlad(w02, even, sum));
}

/* Four weights at w + index or, with "lsl #1", twice the index. Not left to the compiler, which
 * would keep a pointer per row, and some of them on the stack. */
#define EDGE_WEIGHTS(word, w, index, scale)                                                        \
  __asm__ volatile("ldr %0, [%1, %2" scale "]" : "=r"(word) : "r"(w), "r"(index) : "memory")

typedef struct edge_four_sums {
  int32_t a, b, c, d;
} edge_four_sums_t;

/* `sums` and the products of columns 0 and 2 in `even`, 1 and 3 in `odd`, with the rows at w,
 * w + step, w + 2 * step and w + last. */
static inline __attribute__((always_inline)) edge_four_sums_t
edge_add_four_rows(uint32_t even, uint32_t odd, const int8_t *w, uint32_t step, uint32_t last,
                   edge_four_sums_t sums) {
  uint32_t weights;
  sums.a = edge_add_four(even, odd, edge_word_at(w), sums.a);
  EDGE_WEIGHTS(weights, w, step, "");
  sums.b = edge_add_four(even, odd, weights, sums.b);
  EDGE_WEIGHTS(weights, w, step, ", lsl #1");
  sums.c = edge_add_four(even, odd, weights, sums.c);
  EDGE_WEIGHTS(weights, w, last, "");
  sums.d = edge_add_four(even, odd, weights, sums.d);
  return sums;
}

/* The same of one column x. */
static inline edge_four_sums_t edge_add_one_column(int32_t x, const int8_t *w, uint32_t step,
                                                   uint32_t last, edge_four_sums_t sums) {
  return (edge_four_sums_t){sums.a + x * w[0], sums.b + x * w[step], sums.c + x * w[2 * step],
                            sums.d + x * w[last]};
}

#endif
#endif
