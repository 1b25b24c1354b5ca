/* Requantisation: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

static uint32_t width_of(uint32_t dtype) {
  switch (dtype) {
  case EDGE_S8:
  case EDGE_U8:
    return 1;
  case EDGE_S16:
    return 2;
  case EDGE_S32:
    return 4;
  default:
    return 0;
  }
}

edge_status_t edge_requantise_check(const edge_plan_t *plan, const void *record) {
  const edge_op_requantise_t *op = (const edge_op_requantise_t *)record;
  uint32_t width = width_of(op->input_dtype);
  if (width == 0 || width_of(op->head.out_dtype) == 0 || op->head.variant != 0 ||
      !edge_scale_ok(op->multiplier, op->shift) ||
      !edge_within(op->input_zero_point, -32768, 32767) ||
      !edge_within(op->zero_point, -32768, 32767))
    return EDGE_BAD_OPERATOR;
  if (!edge_out_is(plan, &op->head, op->head.out_dtype, op->count) ||
      !edge_may_read(plan, op->input, op->count, width) ||
      !edge_in_place_or_apart(&op->head, op->input, op->count * width))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
