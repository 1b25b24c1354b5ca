/* Fill: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_fill_check(const edge_plan_t *plan, const void *record) {
  const edge_op_fill_t *op = (const edge_op_fill_t *)record;
  if (op->head.variant != 0 || (op->width != 1 && op->width != 2 && op->width != 4))
    return EDGE_BAD_OPERATOR;
  if (op->head.out_bytes != edge_product2(op->count, op->width) ||
      !edge_may_write(plan, op->head.out, op->count, op->width))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
