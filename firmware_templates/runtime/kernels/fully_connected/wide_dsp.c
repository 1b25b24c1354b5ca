/* int16 products by the DSP extension: SXTB16 takes columns 0 and 2, then 1 and 3 of four weights,
 * so that pairs of x are made once for four rows. */
#include "wide.h"

#include "../words_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

#define PART 480u /* columns whose sum stays below 2^31; a multiple of four */

static inline uint32_t even_bytes(uint32_t word) {
  uint32_t result;
  __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
  return result;
}

static inline uint32_t odd_bytes(uint32_t word) {
  uint32_t result;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
  return result;
}

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

static inline int32_t four(uint32_t even, uint32_t odd, uint32_t weights, int32_t sum) {
  return edge_smlad(odd_bytes(weights), odd, edge_smlad(even_bytes(weights), even, sum));
}

/* Four weights at w + index or, with "lsl #1", twice the index. Not left to the compiler, which
 * would keep a pointer per row, and some of them on the stack. */
#define WEIGHTS(word, w, index, scale)                                                             \
  __asm__ volatile("ldr %0, [%1, %2" scale "]" : "=r"(word) : "r"(w), "r"(index) : "memory")

/* Adds `count` <= PART columns of rows at w, w + step, w + 2 * step and w + last. */
static void part(const int16_t *x, const int8_t *w, uint32_t step, uint32_t last, uint32_t count,
                 int64_t sums[4]) {
  int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  const int16_t *end = x + count;
  for (const int16_t *words = end - count % 4; x != words; x += 4, w += 4) {
    uint32_t low = edge_word_at(x), high = edge_word_at(x + 2), weights;
    uint32_t even = low_halves(low, high), odd = high_halves(low, high);
    a0 = four(even, odd, edge_word_at(w), a0);
    WEIGHTS(weights, w, step, "");
    a1 = four(even, odd, weights, a1);
    WEIGHTS(weights, w, step, ", lsl #1");
    a2 = four(even, odd, weights, a2);
    WEIGHTS(weights, w, last, "");
    a3 = four(even, odd, weights, a3);
  }
  for (; x != end; x++, w++) {
    a0 += *x * w[0];
    a1 += *x * w[step];
    a2 += *x * w[2 * step];
    a3 += *x * w[last];
  }
  sums[0] += a0;
  sums[1] += a1;
  sums[2] += a2;
  sums[3] += a3;
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
