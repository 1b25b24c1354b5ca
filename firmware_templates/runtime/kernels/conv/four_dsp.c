/* Four pixels by the DSP extension: each pair of weights is widened once for four products. */
#include "../fixed_point.h"
#include "packed.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

static inline void widen_four(uint32_t bytes, uint32_t *to) {
  uint32_t even, odd, first, second;
  __asm__("sxtb16 %0, %1" : "=r"(even) : "r"(bytes));
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(bytes));
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(first) : "r"(even), "r"(odd));
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(second) : "r"(odd), "r"(even));
  to[0] = first;
  to[4] = second;
}

/* x of four pixels by pairs of columns: the pairs (0, 1) of all four, then (2, 3), and so on;
 * returns the end. */
static inline uint32_t *widen(const int8_t *x, uint32_t depth, uint32_t *to) {
  uint32_t word;
  for (const int8_t *end = x + (depth & ~3u); x != end; x += 4, to += 8) {
    __builtin_memcpy(&word, x, 4);
    widen_four(word, to);
  }
  if (depth % 4 == 0)
    return to;
  word = 0;
  __builtin_memcpy(&word, x, depth % 4);
  widen_four(word, to);
  return to + 8;
}

/* The windows of four pixels from `at` on, widened. */
static void four_windows(const edge_conv_t *c, edge_pixel_t at, uint32_t *wide) {
  int8_t *copy = c->scratch + edge_conv_wide_bytes(c->op, c->depth);
  const int8_t *pixels = edge_conv_pixel(c, at, 4 * c->depth);
  for (uint32_t k = 0; k < EDGE_CONV_GROUP; k++, at = edge_conv_next(c->op, at)) {
    uint32_t *to = wide + k;
    const int8_t *x = pixels ? pixels + k * c->depth : edge_conv_inside(c, at);
    uint32_t left = pixels ? 1 : c->op->kernel_h;
    uint32_t span = c->span;
    if (x == NULL || (span % 4 != 0 && left > 1)) {
      x = edge_conv_window(c, at, c->depth, copy);
      left = 1;
      span = c->depth;
    }
    for (; left > 0; left--, x += c->step)
      to = widen(x, span, to);
  }
}

#define FOUR_PRODUCTS                                                                              \
  "smlad %[a], r5, r0, %[a]\n smlad %[b], r5, r1, %[b]\n"                                          \
  "smlad %[c], r5, r2, %[c]\n smlad %[d], r5, r3, %[d]\n"
#define FOUR_COLUMNS                                                                               \
  "ldm %[x]!, {r0, r1, r2, r3}\n ldr r4, [%[w]], #16\n"                                            \
  "sxtb16 r5, r4\n" FOUR_PRODUCTS "ldm %[x]!, {r0, r1, r2, r3}\n"                                  \
  "sxtb16 r5, r4, ror #8\n" FOUR_PRODUCTS
#define OPERANDS [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [w] "+r"(w), [x] "+r"(x)

/* Sums of a row for four pixels; `w` is the row's first word in its panel. */
static inline void row_sums(const uint32_t *x, const uint8_t *w, uint32_t chunks, int32_t bias,
                            int32_t sums[EDGE_CONV_GROUP]) {
  int32_t a = bias;
  int32_t b = bias;
  int32_t c = bias;
  int32_t d = bias;
  const uint8_t *end = w + 16 * chunks;
  for (; chunks % 4 != 0; chunks--)
    __asm__ volatile(FOUR_COLUMNS : OPERANDS : : "r0", "r1", "r2", "r3", "r4", "r5", "memory");
  if (chunks > 0)
    __asm__ volatile("1:\n" FOUR_COLUMNS FOUR_COLUMNS FOUR_COLUMNS FOUR_COLUMNS "cmp %[w], %[end]\n"
                     "bne 1b\n"
                     : OPERANDS
                     : [end] "r"(end)
                     : "r0", "r1", "r2", "r3", "r4", "r5", "cc", "memory");
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
}

/* edge_requantise of a calm convolution, to int8: `right` is one less than the shift, whose last
 * step comes after `last`, twice the zero point and 1 to round. */
static inline int32_t output(int32_t sum, int32_t multiplier, int32_t right, int32_t last) {
  int32_t x;
  __asm__("smmulr %0, %1, %2" : "=r"(x) : "r"(2 * sum), "r"(multiplier));
  x += x >> 31; /* ties away from zero */
  x = (x >> right) + last;
  __asm__("ssat %0, #8, %1, asr #1" : "=r"(x) : "r"(x));
  return x;
}

/* Outputs of `count` rows for four pixels. */
static void calm_outputs(const edge_op_conv_t *op, const int32_t *scales, uint32_t count,
                         const int32_t *sums, int8_t *out) {
  const int32_t last = 2 * op->zero_point + 1;
  const int32_t low = op->low;
  const int32_t high = op->high;
  const uint32_t step = op->out_c;
  const bool narrow = low > -128 || high < 127;
  for (const int32_t *end = sums + EDGE_CONV_GROUP * count; sums < end;
       sums += EDGE_CONV_GROUP, scales += 2, out++) {
    int32_t multiplier = scales[0];
    int32_t right = ~scales[1];
    int32_t a = output(sums[0], multiplier, right, last);
    int32_t b = output(sums[1], multiplier, right, last);
    int32_t c = output(sums[2], multiplier, right, last);
    int32_t d = output(sums[3], multiplier, right, last);
    if (narrow) {
      a = edge_clamp(a, low, high);
      b = edge_clamp(b, low, high);
      c = edge_clamp(c, low, high);
      d = edge_clamp(d, low, high);
    }
    out[0] = (int8_t)a;
    out[step] = (int8_t)b;
    out[2 * step] = (int8_t)c;
    out[3 * step] = (int8_t)d;
  }
}

EDGE_RARE static void any_outputs(const edge_op_conv_t *op, const int32_t *scales, uint32_t count,
                                  const int32_t *sums, int8_t *out) {
  for (uint32_t k = 0; k < EDGE_CONV_GROUP * count; k++) {
    uint32_t row = k / EDGE_CONV_GROUP;
    out[k % EDGE_CONV_GROUP * op->out_c + row] = (int8_t)edge_requantise(
        sums[k], scales[2 * row], scales[2 * row + 1], op->zero_point, op->low, op->high);
  }
}

bool edge_conv_four(const edge_conv_t *c, edge_pixel_t at, int8_t *out) {
  const edge_matrix_t *m = &c->matrix;
  if (m->tile != EDGE_TILE_4X4 || m->bits > 0 || m->starts != NULL)
    return false;
  const edge_op_conv_t *op = c->op;
  uint32_t *wide = (uint32_t *)(void *)c->scratch;
  four_windows(c, at, wide);
  const uint8_t *weights = m->weights;
  for (uint32_t row = 0; row < op->out_c; row += EDGE_CONV_ROWS) {
    int32_t sums[EDGE_CONV_GROUP * EDGE_CONV_ROWS];
    uint32_t left = op->out_c - row;
    uint32_t count = left < EDGE_CONV_ROWS ? left : EDGE_CONV_ROWS;
    for (uint32_t k = 0; k < count; k++) {
      row_sums(wide, weights, m->chunks, c->bias[row + k], sums + EDGE_CONV_GROUP * k);
      weights += k % 4 == 3 ? 16 * m->chunks - 12 : 4;
    }
    if (c->calm)
      calm_outputs(op, c->scales + 2 * row, count, sums, out + row);
    else
      any_outputs(op, c->scales + 2 * row, count, sums, out + row);
  }
  return true;
}
#endif
