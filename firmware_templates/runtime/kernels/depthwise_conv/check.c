/* Depthwise convolution: what a record must satisfy. */
#include "../check.h"
#include "../window.h"
#include "kernel.h"
#include "packed.h"

#define MOST_COLUMNS (1u << 20)
#define MOST_SUM (1 << 30) /* doubled or not, it does not wrap */

EDGE_RARE static bool scale_ok(int32_t bias, int32_t multiplier, int32_t shift, uint32_t taps) {
  int32_t most = MOST_SUM - (int32_t)taps * 128 * 128;
  return edge_within(bias, -most + 1, most - 1) && multiplier >= 0 &&
         edge_within(shift, EDGE_DEPTHWISE_LEAST_SHIFT, -1);
}

EDGE_RARE static bool block4_ok(const edge_op_conv_t *op, const edge_block4_t *b, uint32_t taps) {
  for (uint32_t k = 0; k < 4; k++) {
    int32_t right = b->right[k];
    if (b->twice_bias[k] % 2 != 0 || !edge_within(right, 1, -EDGE_DEPTHWISE_LEAST_SHIFT) ||
        !scale_ok(b->twice_bias[k] / 2, b->multiplier[k], -right, taps) ||
        b->rounding[k] != (1 << (right - 1)) + op->zero_point * (1 << right))
      return false;
    for (uint32_t t = 0; t < taps; t++) {
      int32_t twice = b->twice_weights[t][k];
      if (twice % 2 != 0 || !edge_within(twice, -256, 254))
        return false;
    }
  }
  return true;
}

/* The products of two taps on end fit into 16 bits unless both weights are -128. */
EDGE_RARE static bool block16_ok(const edge_block16_t *b, uint32_t taps) {
  for (uint32_t k = 0; k < 16; k++) {
    if (!scale_ok(b->bias[k], b->multiplier[k], b->shift[k], taps))
      return false;
    for (uint32_t t = 1; t < taps; t++) {
      if (b->weights[t][k] == -128 && b->weights[t - 1][k] == -128)
        return false;
    }
  }
  return true;
}

/* Blocks of weights and parameters, and scratch for a strip. */
EDGE_RARE static bool packed_ok(const edge_plan_t *plan, const edge_op_conv_t *op,
                                uint32_t inputs) {
  if ((op->out_w - 1) * op->stride_w + (op->kernel_w - 1) * op->dilation_w >= MOST_COLUMNS ||
      (op->head.variant != EDGE_DEPTHWISE_4 && op->head.variant != EDGE_DEPTHWISE_16))
    return false;
  const edge_strips_t s = edge_strips_of(op);
  uint32_t blocks = (op->out_c + s.lanes - 1) / s.lanes;
  uint32_t bytes = edge_product2(s.rows, s.pitch);
  uint32_t taps = op->kernel_h * op->kernel_w;
  if (!edge_is_const(plan, op->weights, edge_product2(blocks, s.block_bytes), 1) ||
      EDGE_REF_OFFSET(op->weights) % 16 != 0 || EDGE_REF_OFFSET(op->scratch) % 16 != 0 ||
      !edge_may_write(plan, op->scratch, bytes, 1) ||
      !edge_apart(op->scratch, bytes, op->head.out, op->head.out_bytes) ||
      !edge_apart(op->scratch, bytes, op->input, inputs))
    return false;
  const uint8_t *block = plan->consts + EDGE_REF_OFFSET(op->weights);
  for (uint32_t i = 0; i < blocks; i++, block += s.block_bytes) {
    if (!(s.lanes == 16 ? block16_ok((const edge_block16_t *)(const void *)block, taps)
                        : block4_ok(op, (const edge_block4_t *)(const void *)block, taps)))
      return false;
  }
  return true;
}

EDGE_RARE static bool plain_ok(const edge_plan_t *plan, const edge_op_conv_t *op, uint32_t taps) {
  return edge_is_const(plan, op->weights, edge_product2(op->out_c, taps), 1) &&
         edge_is_const(plan, op->bias, op->out_c, 4);
}

edge_status_t edge_depthwise_conv_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_conv_t *op = (const edge_op_conv_t *)record;
  const edge_window_t rows = {op->in_h,     op->out_h,      op->kernel_h,
                              op->stride_h, op->dilation_h, op->pad_top};
  const edge_window_t columns = {op->in_w,     op->out_w,      op->kernel_w,
                                 op->stride_w, op->dilation_w, op->pad_left};
  if (!edge_window_ok(&rows) || !edge_window_ok(&columns) || op->in_c == 0 ||
      op->out_c % op->in_c != 0 || !edge_within(op->input_zero_point, -128, 127) ||
      !edge_range_ok(EDGE_S8, op->zero_point, op->low, op->high))
    return EDGE_BAD_OPERATOR;
  uint32_t inputs = edge_product3(op->in_h, op->in_w, op->in_c);
  uint32_t taps = edge_product2(op->kernel_h, op->kernel_w);
  /* 255 * 128 * taps stays below 2^31 */
  if (taps > EDGE_MAX_DEPTH / 2)
    return EDGE_BAD_OPERATOR;
  if (!edge_out_is(plan, &op->head, EDGE_S8, edge_product3(op->out_h, op->out_w, op->out_c)) ||
      !edge_may_read(plan, op->input, inputs, 1) ||
      (op->head.variant == 0 && !plain_ok(plan, op, taps)) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs))
    return EDGE_BAD_LAYOUT;
  bool ok = op->head.variant == 0 ? edge_scales_ok(plan, op->scales, op->out_c, false)
                                  : packed_ok(plan, op, inputs);
  return ok ? EDGE_OK : EDGE_BAD_OPERATOR;
}
