/* Fully connected: what a record must satisfy. */
#include "../check.h"
#include "../matrix/matrix.h"
#include "kernel.h"

/* Packed weights, their padded bias and the scratch for a copy of the input. */
EDGE_RARE static bool packed_ok(const edge_plan_t *plan, const edge_op_fully_connected_t *op) {
  uint32_t tile = op->head.variant;
  if (op->depth > EDGE_MAX_DEPTH || op->rows > EDGE_MAX_DEPTH ||
      !edge_matrix_ok(plan, op->weights, tile, op->rows, op->depth) ||
      !edge_is_const(plan, op->bias, edge_round_up(op->rows, edge_tile_rows(tile)), 4))
    return false;
  uint32_t bytes = edge_matrix_scratch(tile, op->depth);
  return bytes == 0 || (edge_may_write(plan, op->scratch, bytes / 16, 16) &&
                        edge_apart(op->scratch, bytes, op->head.out, op->head.out_bytes) &&
                        edge_apart(op->scratch, bytes, op->input, op->batches * op->depth));
}

EDGE_RARE static bool plain_ok(const edge_plan_t *plan, const edge_op_fully_connected_t *op,
                               bool wide) {
  return edge_is_const(plan, op->weights, edge_product2(op->rows, op->depth), 1) &&
         edge_is_const(plan, op->bias, op->rows, wide ? 8 : 4);
}

EDGE_RARE static edge_status_t check(const edge_plan_t *plan, const edge_op_fully_connected_t *op,
                                     uint32_t dtype) {
  bool wide = dtype == EDGE_S16;
  uint32_t width = wide ? 2u : 1u;
  uint32_t inputs = edge_product2(op->batches, op->depth);
  if (!edge_out_is(plan, &op->head, dtype, edge_product2(op->batches, op->rows)) ||
      !edge_may_read(plan, op->input, inputs, width) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs * width) ||
      (op->head.variant == 0 && !plain_ok(plan, op, wide)))
    return EDGE_BAD_LAYOUT;
  if (op->head.variant != 0 && (wide || !packed_ok(plan, op)))
    return EDGE_BAD_OPERATOR;
  bool wide_sum = op->sum_bits == 64;
  bool scaled = op->scales ? edge_scales_ok(plan, op->scales, op->rows, wide_sum)
                : wide_sum ? edge_scale64_ok(op->multiplier, op->shift)
                           : edge_scale_ok(op->multiplier, op->shift);
  scaled = scaled && (op->sum_bits == 32 || (wide && wide_sum));
  if (!scaled || op->depth > EDGE_MAX_DEPTH ||
      !edge_range_ok(dtype, op->zero_point, op->low, op->high))
    return EDGE_BAD_OPERATOR;
  return EDGE_OK;
}

edge_status_t edge_fully_connected_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_fully_connected_t *)record, EDGE_S8);
}

edge_status_t edge_fully_connected_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_fully_connected_t *)record, EDGE_S16);
}
