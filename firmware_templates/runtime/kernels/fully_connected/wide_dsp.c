/* int16 products by the DSP extension, four columns of four rows at a time. */
#include "wide.h"

#include "../four_rows_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

#define PART 480u /* columns whose sum stays below 2^31; a multiple of four */

static inline uint32_t low_halves(uint32_t low, uint32_t high) {
  uint32_t result;
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(low), "r"(high));
  return result;
}

static inline uint32_t high_halves(uint32_t low, uint32_t high) {
  uint32_t result;
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(result) : "r"(high), "r"(low));
  return result;
}

/* Adds `count` <= PART columns of rows at w, w + step, w + 2 * step and w + last. */
static void part(const int16_t *x, const int8_t *w, uint32_t step, uint32_t last, uint32_t count,
                 int64_t sums[4]) {
  edge_four_sums_t acc = {0};
  const int16_t *end = x + count;
  for (const int16_t *words = end - count % 4; x != words; x += 4, w += 4) {
    uint32_t low = edge_word_at(x), high = edge_word_at(x + 2);
    acc = edge_add_four_rows(low_halves(low, high), high_halves(low, high), w, step, last, acc);
  }
  for (; x != end; x++, w++)
    acc = edge_add_one_column(*x, w, step, last, acc);
  sums[0] += acc.a;
  sums[1] += acc.b;
  sums[2] += acc.c;
  sums[3] += acc.d;
}

/* Four rows, or with a step of 0 one row four times. */
static __attribute__((noinline)) void dot(const int16_t *x, const int8_t *w, uint32_t step,
                                          uint32_t depth, int64_t sums[4]) {
  memset(sums, 0, 4 * sizeof sums[0]);
  for (uint32_t i = 0; i < depth; i += PART)
    part(x + i, w + i, step, 3 * step, depth - i < PART ? depth - i : PART, sums);
}

void edge_dot4_s16(const int16_t *x, const int8_t *weights, uint32_t rows, uint32_t depth,
                   int64_t sums[4]) {
  if (rows == 4) {
    dot(x, weights, depth, depth, sums);
    return;
  }
  for (uint32_t k = 0; k < rows; k++) {
    int64_t same[4];
    dot(x, weights + k * depth, 0, depth, same);
    sums[k] = same[0];
  }
}

#endif
