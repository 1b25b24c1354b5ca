/* Table look-up: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_lut_8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_lut_t *op = (const edge_op_lut_t *)record;
  uint32_t dtype = op->head.out_dtype;
  if ((dtype != EDGE_S8 && dtype != EDGE_U8) || (op->flip != 0 && op->flip != 0x80) ||
      op->head.variant != 0)
    return EDGE_BAD_OPERATOR;
  if (!edge_out_is(plan, &op->head, dtype, op->count) ||
      !edge_may_read(plan, op->input, op->count, 1) || !edge_is_const(plan, op->table, 256, 1) ||
      !edge_in_place_or_apart(&op->head, op->input, op->count))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
