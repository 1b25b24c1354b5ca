/* SVDF: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_svdf_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_svdf_t *op = (const edge_op_svdf_t *)record;
  if (op->head.variant != 0 || op->inputs > EDGE_MAX_DEPTH || op->rank == 0 ||
      op->filters % op->rank != 0 || !edge_scale_ok(op->feature_multiplier, op->feature_shift) ||
      !edge_scale_ok(op->multiplier, op->shift) || !edge_range_ok(EDGE_S8, op->zero_point, 0, 0))
    return EDGE_BAD_OPERATOR;
  uint32_t units = op->filters / op->rank;
  uint32_t kept = edge_product2(op->filters, op->steps);
  if (!edge_out_is(plan, &op->head, EDGE_S8, units) ||
      !edge_may_read(plan, op->input, op->inputs, 1) ||
      EDGE_REF_SPACE(op->memory) != EDGE_SPACE_STATE ||
      !edge_may_write(plan, op->memory, kept, 2) ||
      !edge_is_const(plan, op->feature_weights, edge_product2(op->filters, op->inputs), 1) ||
      !edge_is_const(plan, op->feature_bias, op->filters, 4) ||
      !edge_is_const(plan, op->time_weights, kept, 2) || !edge_is_const(plan, op->bias, units, 4) ||
      !edge_apart(op->head.out, units, op->input, op->inputs) ||
      !edge_apart(op->head.out, units, op->memory, 2 * kept) ||
      !edge_apart(op->memory, 2 * kept, op->input, op->inputs))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
