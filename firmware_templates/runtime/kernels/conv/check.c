/* Convolution: what a record must satisfy. */
#include "../check.h"
#include "../window.h"
#include "kernel.h"
#include "packed.h"

/* Packed weights, their padded bias and the scratch for windows. */
EDGE_RARE static bool packed_ok(const edge_plan_t *plan, const edge_op_conv_t *op, uint32_t inputs,
                                uint32_t depth) {
  uint32_t tile = op->head.variant;
  if (op->out_c > EDGE_MAX_DEPTH || !edge_matrix_ok(plan, op->weights, tile, op->out_c, depth) ||
      !edge_is_const(plan, op->bias, edge_round_up(op->out_c, edge_tile_rows(tile)), 4) ||
      !edge_within(op->input_zero_point, -128, 127))
    return false;
  uint32_t bytes = edge_conv_scratch(op, depth);
  return edge_may_write(plan, op->scratch, bytes / 16, 16) &&
         edge_apart(op->scratch, bytes, op->head.out, op->head.out_bytes) &&
         edge_apart(op->scratch, bytes, op->input, inputs);
}

EDGE_RARE static bool plain_ok(const edge_plan_t *plan, const edge_op_conv_t *op, uint32_t depth) {
  return edge_is_const(plan, op->weights, edge_product2(op->out_c, depth), 1) &&
         edge_is_const(plan, op->bias, op->out_c, 4) &&
         edge_is_const(plan, op->pad_row, op->in_c, 1);
}

EDGE_RARE edge_status_t edge_conv_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_conv_t *op = (const edge_op_conv_t *)record;
  const edge_window_t rows = {op->in_h,     op->out_h,      op->kernel_h,
                              op->stride_h, op->dilation_h, op->pad_top};
  const edge_window_t columns = {op->in_w,     op->out_w,      op->kernel_w,
                                 op->stride_w, op->dilation_w, op->pad_left};
  if (!edge_window_ok(&rows) || !edge_window_ok(&columns) ||
      !edge_range_ok(EDGE_S8, op->zero_point, op->low, op->high))
    return EDGE_BAD_OPERATOR;
  uint32_t inputs = edge_product3(op->in_h, op->in_w, op->in_c);
  uint32_t depth = edge_product3(op->kernel_h, op->kernel_w, op->in_c);
  if (depth > EDGE_MAX_DEPTH)
    return EDGE_BAD_OPERATOR;
  if (!edge_out_is(plan, &op->head, EDGE_S8, edge_product3(op->out_h, op->out_w, op->out_c)) ||
      !edge_may_read(plan, op->input, inputs, 1) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs) ||
      (op->head.variant == 0 && !plain_ok(plan, op, depth)))
    return EDGE_BAD_LAYOUT;
  if (op->head.variant != 0 && !packed_ok(plan, op, inputs, depth))
    return EDGE_BAD_OPERATOR;
  return edge_scales_ok(plan, op->scales, op->out_c, false) ? EDGE_OK : EDGE_BAD_OPERATOR;
}
