/* int16 softmax: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_softmax_s16_check(const edge_plan_t *plan, const void *record) {
  const edge_op_softmax16_t *op = (const edge_op_softmax16_t *)record;
  uint32_t count = edge_product2(op->rows, op->depth);
  if (!edge_out_is(plan, &op->head, EDGE_S16, count) || !edge_may_read(plan, op->input, count, 2) ||
      !edge_is_const(plan, op->exp_table, 513, 2) ||
      !edge_is_const(plan, op->reciprocal_table, 513, 2) ||
      !edge_in_place_or_apart(&op->head, op->input, 2 * count))
    return EDGE_BAD_LAYOUT;
  /* 2^14 terms below 2^16 keep the sum below 2^30 */
  if (op->depth > 16384 || op->head.variant != 0 || !edge_scale_ok(op->multiplier, op->shift))
    return EDGE_BAD_OPERATOR;
  const int16_t *exps =
      (const int16_t *)(const void *)(plan->consts + EDGE_REF_OFFSET(op->exp_table));
  for (uint32_t i = 0; i < 513; i++) {
    if (exps[i] < (i < 511 ? 0 : 2)) /* the maximum's own term, which keeps the shift positive */
      return EDGE_BAD_OPERATOR;
  }
  return EDGE_OK;
}
