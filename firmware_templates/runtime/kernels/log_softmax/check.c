/* Log-softmax: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

#define MAX_DEPTH 4095u /* terms of at most 2^19 keep the sum below 2^31 */

edge_status_t edge_log_softmax_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_log_softmax_t *op = (const edge_op_log_softmax_t *)record;
  uint32_t count = edge_product2(op->rows, op->depth);
  if (!edge_out_is(plan, &op->head, EDGE_S8, count) || !edge_may_read(plan, op->input, count, 1) ||
      !edge_is_const(plan, op->exp_table, 256, 4) ||
      !edge_in_place_or_apart(&op->head, op->input, count))
    return EDGE_BAD_LAYOUT;
  if (op->depth > MAX_DEPTH || op->head.variant != 0 || op->reach > 255 || op->multiplier < 0 ||
      !edge_within(op->shift, 0, 30))
    return EDGE_BAD_OPERATOR;
  const int32_t *exps =
      (const int32_t *)(const void *)(plan->consts + EDGE_REF_OFFSET(op->exp_table));
  for (uint32_t i = 0; i < 256; i++) {
    if (!edge_within(exps[i], 0, 1 << 19))
      return EDGE_BAD_OPERATOR;
  }
  return exps[0] == 1 << 19 ? EDGE_OK : EDGE_BAD_OPERATOR;
}
