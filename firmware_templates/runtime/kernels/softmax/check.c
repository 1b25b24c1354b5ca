/* Softmax: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_softmax_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_softmax_t *op = (const edge_op_softmax_t *)record;
  uint32_t count = edge_product2(op->rows, op->depth);
  if (!edge_out_is(plan, &op->head, EDGE_S8, count) || !edge_may_read(plan, op->input, count, 1) ||
      !edge_is_const(plan, op->exp_table, 256, 4) ||
      !edge_in_place_or_apart(&op->head, op->input, count))
    return EDGE_BAD_LAYOUT;
  /* 256 terms of at most 2^19 keep the sum at 2^27 and TFLite's final shift at 31. */
  if (op->depth > 256 || op->head.variant != 0)
    return EDGE_BAD_OPERATOR;
  const int32_t *exps =
      (const int32_t *)(const void *)(plan->consts + EDGE_REF_OFFSET(op->exp_table));
  for (uint32_t i = 0; i < 256; i++) {
    if (exps[i] < 0)
      return EDGE_BAD_OPERATOR;
  }
  return exps[0] == INT32_MAX ? EDGE_OK : EDGE_BAD_OPERATOR;
}
