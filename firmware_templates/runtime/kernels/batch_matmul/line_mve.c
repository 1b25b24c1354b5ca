/* Matrix products by Helium: 16 elements of a left line with four right ones at a time. */
#include "line.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* Sum of (l - zero point) * r = sign * (sum of x * r + sum of rest * r), where x = l, rest = -zero
 * point, or x = -1 - l, rest = zero point + 1 where 128 would not be an int8. */
typedef struct side {
  int8x16_t flip; /* 0 or -1: x = l ^ flip */
  int8x16_t rest;
  int32_t sign;
  int32_t offset; /* of each sum: what the right side's zero point takes away */
} side_t;

static side_t side_of(const edge_op_matmul_t *op, const int8_t *left) {
  const int32_t zero_point = op->left_zero_point;
  int32_t total = 0;
  for (uint32_t i = 0; i < op->depth; i += 16) {
    mve_pred16_t active = vctp8q(op->depth - i);
    total = vaddvaq_p_s8(total, vldrbq_z_s8(left + i, active), active);
  }
  total -= (int32_t)op->depth * zero_point;
  const bool flipped = zero_point == -128;
  return (side_t){vdupq_n_s8(flipped ? -1 : 0),
                  vdupq_n_s8((int8_t)(flipped ? zero_point + 1 : -zero_point)), flipped ? -1 : 1,
                  -op->right_zero_point * total};
}

static inline void four_lines(const side_t *side, const int8_t *x, const int8_t *w0,
                              const int8_t *w1, const int8_t *w2, const int8_t *w3, uint32_t depth,
                              int32_t *sums) {
  const int8x16_t flip = side->flip, rest = side->rest;
  int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (uint32_t left = depth / 16; left > 0; left--) {
    int8x16_t v = veorq_s8(vldrbq_s8(x), flip);
    int8x16_t w = vldrbq_s8(w0);
    a0 = vmladavaq_s8(vmladavaq_s8(a0, v, w), rest, w);
    w = vldrbq_s8(w1);
    a1 = vmladavaq_s8(vmladavaq_s8(a1, v, w), rest, w);
    w = vldrbq_s8(w2);
    a2 = vmladavaq_s8(vmladavaq_s8(a2, v, w), rest, w);
    w = vldrbq_s8(w3);
    a3 = vmladavaq_s8(vmladavaq_s8(a3, v, w), rest, w);
    x += 16, w0 += 16, w1 += 16, w2 += 16, w3 += 16;
  }
  if (depth % 16) {
    const mve_pred16_t active = vctp8q(depth % 16); /* of what is not there, w is 0 */
    int8x16_t v = veorq_s8(vldrbq_z_s8(x, active), flip);
    int8x16_t w = vldrbq_z_s8(w0, active);
    a0 = vmladavaq_s8(vmladavaq_s8(a0, v, w), rest, w);
    w = vldrbq_z_s8(w1, active);
    a1 = vmladavaq_s8(vmladavaq_s8(a1, v, w), rest, w);
    w = vldrbq_z_s8(w2, active);
    a2 = vmladavaq_s8(vmladavaq_s8(a2, v, w), rest, w);
    w = vldrbq_z_s8(w3, active);
    a3 = vmladavaq_s8(vmladavaq_s8(a3, v, w), rest, w);
  }
  sums[0] = side->sign * a0 + side->offset;
  sums[1] = side->sign * a1 + side->offset;
  sums[2] = side->sign * a2 + side->offset;
  sums[3] = side->sign * a3 + side->offset;
}

/* Lines of one vector, which x fills or not. */
static void short_lines(const side_t *side, const int8_t *left, const int8_t *right, uint32_t step,
                        uint32_t depth, uint32_t count, int32_t *sums) {
  const mve_pred16_t active = vctp8q(depth);
  const int8x16_t x = veorq_s8(vldrbq_z_s8(left, active), side->flip), rest = side->rest;
  for (uint32_t c = 0; c < count; c++, right += step) {
    int8x16_t w = vldrbq_z_s8(right, active);
    sums[c] = side->sign * vmladavaq_s8(vmladavq_s8(x, w), rest, w) + side->offset;
  }
}

bool edge_matmul_sums(const edge_op_matmul_t *op, const int8_t *left, const int8_t *right,
                      uint32_t count, int32_t *sums) {
  if (op->left_strides[2] != 1 || op->right_strides[2] != 1)
    return false;
  const side_t side = side_of(op, left);
  const uint32_t step = op->right_strides[1];
  if (op->depth <= 16) {
    short_lines(&side, left, right, step, op->depth, count, sums);
    return true;
  }
  for (uint32_t c = 0; c < count; c += 4, right += 4 * step, sums += 4) {
    /* of lines that are not there, the first */
    const int8_t *w1 = c + 1 < count ? right + step : right;
    const int8_t *w2 = c + 2 < count ? right + 2 * step : right;
    const int8_t *w3 = c + 3 < count ? right + 3 * step : right;
    four_lines(&side, left, right, w1, w2, w3, op->depth, sums);
  }
  return true;
}

#endif
