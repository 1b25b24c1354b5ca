/* Rows of two operands by the DSP extension. */
#include <string.h>

#include "../rescale_dsp.h"
#include "../words_dsp.h"
#include "row.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* The activation range of what a row left inside its type. */
static void clamp_row(const edge_op_arithmetic_t *op, const edge_row_t *row, bool wide) {
  if (op->low == (wide ? -32768 : -128) && op->high == (wide ? 32767 : 127))
    return;
  uint32_t bytes = wide ? 2 * row->count : row->count;
  uint32_t low = edge_in_lanes(op->low, wide);
  uint32_t high = edge_in_lanes(op->high, wide);
  uint8_t *at = (uint8_t *)row->out;
  for (; bytes >= 4; bytes -= 4, at += 4) {
    uint32_t word = edge_smaller(edge_larger(edge_word_at(at), low, wide), high, wide);
    memcpy(at, &word, 4);
  }
  uint32_t word = 0;
  memcpy(&word, at, bytes);
  word = edge_smaller(edge_larger(word, low, wide), high, wide);
  memcpy(at, &word, bytes);
}

#define CHUNK 64u /* elements */

/* A part of a row in which both operands step by one. */
typedef struct part {
  const void *a;
  const void *b;
  void *out;
  uint32_t count;
} part_t;

typedef void (*part_fn)(const void *how, const part_t *part);

static inline int32_t element(const void *data, uint32_t i, bool wide) {
  return wide ? ((const int16_t *)data)[i] : ((const int8_t *)data)[i];
}

/* A chunk of one element. */
static const void *repeated(const void *data, bool wide, uint32_t words[CHUNK / 2]) {
  uint32_t unit = edge_in_lanes(element(data, 0, wide), wide);
  for (uint32_t i = 0; i < (wide ? CHUNK / 2 : CHUNK / 4); i++)
    words[i] = unit;
  return words;
}

static bool each_part(const edge_row_t *row, bool wide, const void *how, part_fn run) {
  uint32_t same_a[CHUNK / 2], same_b[CHUNK / 2];
  uint32_t width = wide ? 2 : 1;
  if (row->step1 > 1 || row->step2 > 1)
    return false;
  part_t part = {row->step1 ? row->a : repeated(row->a, wide, same_a),
                 row->step2 ? row->b : repeated(row->b, wide, same_b), row->out, row->count};
  if (row->step1 && row->step2) {
    run(how, &part);
    return true;
  }
  for (uint32_t left = row->count; left > 0; left -= part.count) {
    part.count = left < CHUNK ? left : CHUNK;
    run(how, &part);
    part.a = (const uint8_t *)part.a + width * row->step1 * part.count;
    part.b = (const uint8_t *)part.b + width * row->step2 * part.count;
    part.out = (uint8_t *)part.out + width * part.count;
  }
  return true;
}

#define EACH(part, type)                                                                           \
  const type *a = (const type *)(part)->a;                                                         \
  const type *b = (const type *)(part)->b;                                                         \
  type *out = (type *)(part)->out;                                                                 \
  for (type *end = out + (part)->count; out != end; a++, b++, out++)

/* Twice a sum (edge_sum_t); where both factors are 1/2, `other_unit` stands for the scale of b. */
typedef struct sums {
  int32_t half_unit;
  int32_t half_offset;
  int32_t other_unit;
  int32_t other_offset;
  edge_down_t down;
  int32_t step; /* 2, or -2 where the other operand is taken away */
  edge_down_t both;
} sums_t;

#define SUM_OF_HALVES(how, x, y)                                                                   \
  ((x) * (how).half_unit + (y) * (how).other_unit + (how).half_offset)
#define SUM(how, x, y, left)                                                                       \
  ((x) * (how).half_unit + (how).half_offset +                                                     \
   (how).step * edge_scale_down(&(how).down, (how).other_offset + ((y) * (2 << (left)))))
#define SUM_ROWS(name, type, twice)                                                                \
  static void name(const void *given, const part_t *part) {                                        \
    const sums_t how = *(const sums_t *)given;                                                     \
    EACH(part, type)                                                                               \
    *out = (type)edge_ssat(edge_scale_down(&how.both, twice), sizeof(type) == 2);                  \
  }

SUM_ROWS(sum_s8, int8_t, SUM(how, *a, *b, 20))
SUM_ROWS(sum_s16, int16_t, SUM(how, *a, *b, 15))
SUM_ROWS(sum_of_halves_s8, int8_t, SUM_OF_HALVES(how, *a, *b))
SUM_ROWS(sum_of_halves_s16, int16_t, SUM_OF_HALVES(how, *a, *b))

static bool sum_row(const edge_op_arithmetic_t *op, const edge_row_t *given, bool wide) {
  edge_sum_t sum;
  if (!edge_sum_of(op, given, wide ? 15 : 20, &sum) || !edge_down_fits(op->shift, op->zero_point))
    return false;
  const bool halves = edge_is_half(sum.multiplier, sum.shift);
  if (!halves && sum.shift >= 0)
    return false;
  const int32_t unit = 1 << op->left_shift;
  sums_t how = {.half_unit = 2 * sum.half_unit,
                .half_offset = 2 * sum.half_offset,
                .other_offset = 2 * unit * sum.offset,
                .step = 2 * sum.sign,
                .both = edge_down_of(op->multiplier, op->shift, op->zero_point)};
  if (halves) {
    how.other_unit = sum.sign * unit;
    how.half_offset += sum.offset * how.other_unit;
  } else {
    how.down = edge_down_of(sum.multiplier, sum.shift, 0);
  }
  const part_fn run =
      wide ? (halves ? sum_of_halves_s16 : sum_s16) : (halves ? sum_of_halves_s8 : sum_s8);
  if (!each_part(&sum.row, wide, &how, run))
    return false;
  clamp_row(op, given, wide);
  return true;
}

bool edge_add_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return sum_row(op, row, false);
}

bool edge_add_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return sum_row(op, row, true);
}

typedef struct product {
  int32_t offset1;
  int32_t offset2;
  edge_down_t down;  /* of twice the product */
  edge_down_t above; /* PRELU: of x >= 0, whose sign adds nothing, so that no shift is needed */
  uint32_t up;       /* PRELU: to the left before that, 1 for the double */
} product_t;

static void product_s8(const void *given, const part_t *part) {
  const product_t how = *(const product_t *)given;
  EACH(part, int8_t) {
    int32_t twice = 2 * (*a + how.offset1) * (*b + how.offset2);
    *out = (int8_t)edge_ssat(edge_scale_down(&how.down, twice), false);
  }
}

static void prelu_s8(const void *given, const part_t *part) {
  const product_t how = *(const product_t *)given;
  EACH(part, int8_t) {
    int32_t x = *a + how.offset1;
    int32_t y = x >= 0 ? edge_scale_down(&how.above, x << how.up)
                       : edge_scale_down(&how.down, 2 * x * (*b + how.offset2));
    *out = (int8_t)edge_ssat(y, false);
  }
}

static bool product_row(const edge_op_arithmetic_t *op, const edge_row_t *row, part_fn run) {
  if (!edge_down_fits(op->shift, op->zero_point))
    return false;
  product_t how = {.offset1 = op->offset1,
                   .offset2 = op->offset2,
                   .down = edge_down_of(op->multiplier, op->shift, op->zero_point)};
  if (run == prelu_s8) {
    if (op->shift1 > 20 || (op->shift1 < 0 && !edge_down_fits(op->shift1, op->zero_point)))
      return false;
    how.up = op->shift1 > 0 ? (uint32_t)op->shift1 + 1 : 1;
    how.above = op->shift1 < 0
                    ? edge_down_of(op->multiplier1, op->shift1, op->zero_point)
                    : (edge_down_t){.multiplier = op->multiplier1, .round = op->zero_point};
  }
  if (!each_part(row, false, &how, run))
    return false;
  clamp_row(op, row, false);
  return true;
}

bool edge_mul_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return product_row(op, row, product_s8);
}

bool edge_prelu_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return product_row(op, row, prelu_s8);
}

/* Products up to 2^30 have no double. */
static void product_s16(const void *given, const part_t *part) {
  const edge_wide_down_t how = *(const edge_wide_down_t *)given;
  EACH(part, int16_t)
  *out = (int16_t)edge_ssat(edge_scale_wide(&how, *a * *b), true);
}

bool edge_mul_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  if (!edge_down_fits(op->shift, op->zero_point))
    return false;
  const edge_wide_down_t how = edge_wide_down_of(op->multiplier, op->shift, op->zero_point);
  if (!each_part(row, true, &how, product_s16))
    return false;
  clamp_row(op, row, true);
  return true;
}

static inline __attribute__((always_inline)) void extremes(const part_t *part, bool wide,
                                                           bool least) {
  const uint8_t *a = (const uint8_t *)part->a;
  const uint8_t *b = (const uint8_t *)part->b;
  uint8_t *out = (uint8_t *)part->out;
  uint32_t bytes = wide ? 2 * part->count : part->count;
  for (; bytes >= 4; bytes -= 4, a += 4, b += 4, out += 4) {
    uint32_t word = least ? edge_smaller(edge_word_at(a), edge_word_at(b), wide)
                          : edge_larger(edge_word_at(a), edge_word_at(b), wide);
    memcpy(out, &word, 4);
  }
  uint32_t x = 0, y = 0;
  memcpy(&x, a, bytes);
  memcpy(&y, b, bytes);
  x = least ? edge_smaller(x, y, wide) : edge_larger(x, y, wide);
  memcpy(out, &x, bytes);
}

static void larger_s8(const void *how, const part_t *part) {
  (void)how;
  extremes(part, false, false);
}

static void smaller_s8(const void *how, const part_t *part) {
  (void)how;
  extremes(part, false, true);
}

static void larger_s16(const void *how, const part_t *part) {
  (void)how;
  extremes(part, true, false);
}

static void smaller_s16(const void *how, const part_t *part) {
  (void)how;
  extremes(part, true, true);
}

bool edge_extreme_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return each_part(row, false, NULL, op->sign2 > 0 ? larger_s8 : smaller_s8);
}

bool edge_extreme_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return each_part(row, true, NULL, op->sign2 > 0 ? larger_s16 : smaller_s16);
}
#endif
