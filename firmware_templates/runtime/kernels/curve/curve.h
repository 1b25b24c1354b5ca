/* What the forms of the int16 logistic and tanh share. */
#ifndef EDGE_KERNELS_CURVE_CURVE_H
#define EDGE_KERNELS_CURVE_CURVE_H

#include "../check.h"

/* A logistic function's interpolation, p = round(table value * 2^(bits - right)), becomes
 * p - middle + centre for x >= 0, middle - p + centre below. */
typedef struct edge_curve {
  int32_t bits; /* of the argument's fraction */
  int32_t right;
  int32_t saturated; /* p behind the table */
  int32_t middle;
  int32_t centre;
} edge_curve_t;

static const edge_curve_t edge_curve_logistic = {9, 10, 0x7fff, 1 << 14, 1 << 14};
static const edge_curve_t edge_curve_tanh = {8, 8, 0xffff, 1 << 15, 0};

/* What is added before the argument's shift. */
static inline int32_t edge_curve_round(const edge_op_curve_t *op) {
  return op->left_shift > 0 ? 1 << (op->left_shift - 1) : 0;
}

#endif
