/* The fast forms of matrix products. */
#ifndef EDGE_KERNELS_BATCH_MATMUL_LINE_H
#define EDGE_KERNELS_BATCH_MATMUL_LINE_H

#include "../check.h"

#define EDGE_MATMUL_PART 32u /* lines of the right side whose sums wait for their outputs */

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)
/* sums[c] of `left` with the line at right + c * op->right_strides[1], c < count <=
 * EDGE_MATMUL_PART; whole fours of sums may be written. false: a line of either side has gaps, and
 * nothing was written. */
bool edge_matmul_sums(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right,
                      uint32_t count, int32_t *sums);
#define EDGE_MATMUL_SUMS edge_matmul_sums
#else
#define EDGE_MATMUL_SUMS(op, left, right, count, sums) false
#endif

#endif
