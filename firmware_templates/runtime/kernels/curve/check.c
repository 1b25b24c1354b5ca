/* int16 logistic and tanh: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

static edge_status_t check(const edge_plan_t *plan, const edge_op_curve_t *op) {
  if (!edge_out_is(plan, &op->head, EDGE_S16, op->count) ||
      !edge_may_read(plan, op->input, op->count, 2) || !edge_is_const(plan, op->table, 256, 2) ||
      !edge_in_place_or_apart(&op->head, op->input, 2 * op->count))
    return EDGE_BAD_LAYOUT;
  /* |input| * multiplier + rounding stays below 2^31 */
  if (!edge_within(op->multiplier, 1, 32767) || !edge_within(op->left_shift, 0, 30) ||
      op->head.variant != 0)
    return EDGE_BAD_OPERATOR;
  return EDGE_OK;
}

edge_status_t edge_logistic_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_curve_t *)record);
}

edge_status_t edge_tanh_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_curve_t *)record);
}
