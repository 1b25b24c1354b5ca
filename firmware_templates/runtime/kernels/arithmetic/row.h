/* One row of an operator of two tensors, and the forms that a core has for it. */
#ifndef EDGE_KERNELS_ARITHMETIC_ROW_H
#define EDGE_KERNELS_ARITHMETIC_ROW_H

#include "../check.h"

/* Elements side by side in the output; the operands step by elements, 0 repeats one. */
typedef struct edge_row {
  const void *a;
  const void *b;
  void *out;
  uint32_t count;
  uint32_t step1;
  uint32_t step2;
} edge_row_t;

/* Computes a row; false: not one of those that this form covers, and nothing was written. */
typedef bool (*edge_row_fn)(const edge_op_arithmetic_t *op, const edge_row_t *row);

/* A sum, taken apart. PrepareGeneralAddOp of TFLite brings both operands to twice the larger scale,
 * so that one of them has the factor 1/2, exactly: x * 2^left_shift / 2. */
typedef struct edge_sum {
  edge_row_t row;      /* a is the halved operand */
  int32_t half_unit;   /* half of 2^left_shift, negative where this operand is taken away */
  int32_t half_offset; /* that times the operand's offset */
  int32_t offset;      /* of b */
  int32_t multiplier;
  int32_t shift;
  int32_t sign;
} edge_sum_t;

static inline bool edge_is_half(int32_t multiplier, int32_t shift) {
  return multiplier == 1 << 30 && shift == 0;
}

/* false: no operand has the factor 1/2, or left_shift is not the one that TFLite has. */
static inline bool edge_sum_of(const edge_op_arithmetic_t *op, const edge_row_t *row,
                               uint32_t left_shift, edge_sum_t *sum) {
  int32_t half = 1 << (left_shift - 1);
  if (op->left_shift != (int32_t)left_shift)
    return false;
  if (edge_is_half(op->multiplier1, op->shift1)) {
    *sum = (edge_sum_t){*row,       half,     half * op->offset1, op->offset2, op->multiplier2,
                        op->shift2, op->sign2};
    return true;
  }
  half *= op->sign2;
  const edge_row_t swapped = {row->b, row->a, row->out, row->count, row->step2, row->step1};
  *sum =
      (edge_sum_t){swapped, half, half * op->offset2, op->offset1, op->multiplier1, op->shift1, 1};
  return edge_is_half(op->multiplier2, op->shift2);
}

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)
bool edge_add_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_add_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_mul_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_mul_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_prelu_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_extreme_s8_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
bool edge_extreme_s16_row(const edge_op_arithmetic_t *op, const edge_row_t *row);
#define EDGE_ROW(name) name
#else
#define EDGE_ROW(name) NULL
#endif

#endif
