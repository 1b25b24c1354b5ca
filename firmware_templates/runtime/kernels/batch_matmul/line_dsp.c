/* Matrix products by the DSP extension: SXTAB16 takes the left side's zero point away where it
 * makes halves of bytes; the right side's is taken from the sums. */
#include "line.h"

#include "../four_rows_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* Sum of a line, whose zero point counts 0. */
static int32_t total(const int8_t *line, uint32_t depth, int32_t zero_point) {
  uint32_t sum = 0;
  const int8_t *end = line + depth;
  for (const int8_t *words = end - depth % 4; line != words; line += 4) {
    uint32_t word = edge_word_at(line) ^ 0x80808080u; /* each byte + 128 */
    __asm__("usada8 %0, %1, %2, %0" : "+r"(sum) : "r"(word), "r"(0));
  }
  for (; line != end; line++)
    sum += (uint32_t)(*line + 128);
  return (int32_t)sum - (int32_t)depth * (128 + zero_point);
}

/* sums[k] = `start` and the products of x and the line at w + k * step, k < 4. */
static __attribute__((noinline)) void four_lines(const edge_op_matmul_t *op, const int8_t *x,
                                                 const int8_t *w, uint32_t step, int32_t start,
                                                 int32_t *sums) {
  const uint32_t minus_zero = edge_in_lanes(-op->left_zero_point, true), last = 3 * step;
  edge_four_sums_t acc = {start, start, start, start};
  const int8_t *end = x + op->depth;
  for (const int8_t *words = end - op->depth % 4; x != words; x += 4, w += 4) {
    uint32_t word = edge_word_at(x), even, odd;
    __asm__("sxtab16 %0, %1, %2" : "=r"(even) : "r"(minus_zero), "r"(word));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd) : "r"(minus_zero), "r"(word));
    acc = edge_add_four_rows(even, odd, w, step, last, acc);
  }
  for (; x != end; x++, w++)
    acc = edge_add_one_column(*x - op->left_zero_point, w, step, last, acc);
  sums[0] = acc.a;
  sums[1] = acc.b;
  sums[2] = acc.c;
  sums[3] = acc.d;
}

bool edge_matmul_sums(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right,
                      uint32_t count, int32_t *sums) {
  if (op->left_strides[2] != 1 || op->right_strides[2] != 1)
    return false;
  const uint32_t step = op->right_strides[1];
  const int32_t start = -op->right_zero_point * total(left, op->depth, op->left_zero_point);
  uint32_t c = 0;
  for (; c + 4 <= count; c += 4, right += 4 * step)
    four_lines(op, left, right, step, start, sums + c);
  for (; c < count; c++, right += step) {
    int32_t same[4];
    four_lines(op, left, right, 0, start, same);
    sums[c] = same[0];
  }
  return true;
}

#endif
