/* Rows of two operands by Helium, four elements of int32 at a time. */
#include "row.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

typedef enum kind { SUM, PRODUCT, PRELU, EXTREME } kind_t;

static inline int32x4_t load(const void *at, bool wide) {
  return wide ? vldrhq_s32((const int16_t *)at) : vldrbq_s32((const int8_t *)at);
}

static inline int32x4_t load_some(const void *at, bool wide, mve_pred16_t active) {
  return wide ? vldrhq_z_s32((const int16_t *)at, active)
              : vldrbq_z_s32((const int8_t *)at, active);
}

/* Operands that repeat: four times the same, as wide as an element. */
static inline const uint8_t *repeated(const void *element, bool wide, int16_t four[4]) {
  if (wide)
    vstrhq_s32(four, vdupq_n_s32(*(const int16_t *)element));
  else
    vstrbq_s32((int8_t *)four, vdupq_n_s32(*(const int8_t *)element));
  return (const uint8_t *)four;
}

/* Any shift: to the left before the product, to the right after it. */
static inline int32x4_t rescaled(int32x4_t x, int32_t multiplier, int32_t shift) {
  int32_t right = shift < 0 ? shift : 0;
  x = vqrdmulhq_n_s32(vshlq_r_s32(x, shift - right), multiplier);
  return edge_rounding_shift4_n(x, right);
}

static inline int32x4_t result(const edge_op_arithmetic_t *op, const edge_sum_t *sum, kind_t kind,
                               int32x4_t a, int32x4_t b) {
  if (kind == EXTREME)
    return op->sign2 > 0 ? vmaxq_s32(a, b) : vminq_s32(a, b);
  int32x4_t v, w;
  if (kind == SUM) {
    v = vaddq_n_s32(vmulq_n_s32(a, sum->half_unit), sum->half_offset);
    w = vshlq_r_s32(vaddq_n_s32(b, sum->offset), op->left_shift);
    w = edge_rounding_shift4_n(vqrdmulhq_n_s32(w, sum->multiplier), sum->shift);
    v = vqrdmulhq_n_s32(vmlaq_n_s32(v, w, sum->sign), op->multiplier);
    v = edge_rounding_shift4_n(v, op->shift);
  } else if (kind == PRODUCT) {
    v = vaddq_n_s32(a, op->offset1);
    w = vaddq_n_s32(b, op->offset2);
    v = rescaled(vmulq_s32(v, w), op->multiplier, op->shift);
  } else {
    v = vaddq_n_s32(a, op->offset1);
    w = vaddq_n_s32(b, op->offset2);
    int32x4_t negative = rescaled(vmulq_s32(v, w), op->multiplier, op->shift);
    int32x4_t positive = rescaled(v, op->multiplier1, op->shift1);
    v = vpselq_s32(positive, negative, vcmpgeq_n_s32(v, 0));
  }
  v = vaddq_n_s32(v, op->zero_point);
  return vminq_s32(vmaxq_s32(v, vdupq_n_s32(op->low)), vdupq_n_s32(op->high));
}

static inline __attribute__((always_inline)) bool
row_of(const edge_op_arithmetic_t *given, const edge_row_t *as_given, kind_t kind, bool wide) {
  edge_sum_t sum = {.row = *as_given};
  const edge_row_t *row = &sum.row;
  if (row->step1 > 1 || row->step2 > 1 ||
      (kind == SUM && (given->shift > 0 || !edge_sum_of(given, as_given, wide ? 15 : 20, &sum))))
    return false;
  const edge_op_arithmetic_t copy = *given; /* which no store can change */
  const edge_op_arithmetic_t *op = &copy;
  const uint32_t step = wide ? 8 : 4; /* bytes of four elements */
  const uint32_t step_a = step * row->step1, step_b = step * row->step2;
  int16_t four_a[4], four_b[4];
  const uint8_t *a = row->step1 ? (const uint8_t *)row->a : repeated(row->a, wide, four_a);
  const uint8_t *b = row->step2 ? (const uint8_t *)row->b : repeated(row->b, wide, four_b);
  uint8_t *out = (uint8_t *)row->out;
  uint32_t left = row->count;
  for (; left >= 4; left -= 4, out += step, a += step_a, b += step_b) {
    int32x4_t v = result(op, &sum, kind, load(a, wide), load(b, wide));
    if (wide)
      vstrhq_s32((int16_t *)out, v);
    else
      vstrbq_s32((int8_t *)out, v);
  }
  if (left > 0) {
    mve_pred16_t active = vctp32q(left);
    int32x4_t v = result(op, &sum, kind, load_some(a, wide, active), load_some(b, wide, active));
    if (wide)
      vstrhq_p_s32((int16_t *)out, v, active);
    else
      vstrbq_p_s32((int8_t *)out, v, active);
  }
  return true;
}

bool edge_add_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, SUM, false);
}

bool edge_add_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, SUM, true);
}

bool edge_mul_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, PRODUCT, false);
}

bool edge_mul_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, PRODUCT, true);
}

bool edge_prelu_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, PRELU, false);
}

bool edge_extreme_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, EXTREME, false);
}

bool edge_extreme_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row) {
  return row_of(op, row, EXTREME, true);
}
#endif
