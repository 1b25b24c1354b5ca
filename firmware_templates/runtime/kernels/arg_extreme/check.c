/* Index of the largest or smallest value: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_arg_extreme_check(const edge_plan_t *plan, const void *record) {
  const edge_op_arg_extreme_t *op = (const edge_op_arg_extreme_t *)record;
  const uint32_t from = op->input_dtype, to = op->head.out_dtype;
  const uint32_t width = from == EDGE_S16 ? 2u : 1u, out_width = to == EDGE_S64 ? 8u : 4u;
  if ((from != EDGE_S8 && from != EDGE_U8 && from != EDGE_S16) ||
      (to != EDGE_S32 && to != EDGE_S64) || op->head.variant != 0 ||
      (op->sign != 1 && op->sign != -1))
    return EDGE_BAD_OPERATOR;
  const uint32_t inputs = edge_product3(op->outer, op->reduce, op->inner);
  const uint32_t outputs = edge_product2(op->outer, op->inner);
  if (op->head.out_bytes != edge_product2(outputs, out_width) ||
      !edge_may_write(plan, op->head.out, outputs, out_width) ||
      !edge_may_read(plan, op->input, inputs, width) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs * width))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
