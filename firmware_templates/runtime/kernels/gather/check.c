/* Gather: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_gather_check(const edge_plan_t *plan, const void *record) {
  const edge_op_gather_t *op = (const edge_op_gather_t *)record;
  uint32_t table_bytes = edge_product2(op->rows, op->row_bytes);
  uint32_t out_bytes = edge_product2(op->count, op->row_bytes);
  if (op->head.out_bytes != out_bytes || !edge_may_write(plan, op->head.out, out_bytes, 1) ||
      !edge_may_read(plan, op->table, table_bytes, 1) ||
      !edge_may_read(plan, op->indices, op->count, 4) ||
      !edge_apart(op->head.out, out_bytes, op->table, table_bytes) ||
      !edge_apart(op->head.out, out_bytes, op->indices, 4 * op->count))
    return EDGE_BAD_LAYOUT;
  return op->head.variant == 0 ? EDGE_OK : EDGE_BAD_OPERATOR;
}
