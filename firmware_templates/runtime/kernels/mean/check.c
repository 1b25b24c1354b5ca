/* Mean: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_mean_check(const edge_plan_t *plan, const void *record) {
  const edge_op_mean_t *op = (const edge_op_mean_t *)record;
  uint32_t dtype = op->head.out_dtype;
  uint32_t width = dtype == EDGE_S16 ? 2u : 1u;
  if ((dtype != EDGE_S8 && dtype != EDGE_S16) || op->head.variant != 0 ||
      op->reduce > EDGE_MAX_DEPTH / 4 || !edge_range_ok(dtype, op->zero_point, 0, 0) ||
      !edge_range_ok(dtype, op->input_zero_point, 0, 0) ||
      !edge_scale_ok(op->multiplier, op->shift))
    return EDGE_BAD_OPERATOR;
  uint32_t inputs = edge_product3(op->outer, op->reduce, op->inner);
  if (!edge_out_is(plan, &op->head, dtype, edge_product2(op->outer, op->inner)) ||
      !edge_may_read(plan, op->input, inputs, width) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs * width))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
