/* Matrix products: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

/* Elements from the first to behind the last that `strides` reach. */
static uint32_t span(const uint32_t dims[3], const uint32_t strides[3]) {
  uint64_t last = 0;
  for (uint32_t i = 0; i < 3; i++)
    last += (uint64_t)(dims[i] - 1) * strides[i];
  return last < 1u << 30 ? (uint32_t)last + 1 : EDGE_TOO_MANY;
}

/* A side lies in its space and shares no byte with the output. */
static bool side_ok(const edge_plan_t *plan, const edge_op_matmul_t *op, edge_ref_t ref,
                    uint32_t lines, const uint32_t strides[3]) {
  const uint32_t dims[3] = {op->batches, lines, op->depth};
  uint32_t bytes = span(dims, strides);
  return edge_may_read(plan, ref, bytes, 1) &&
         edge_apart(op->head.out, op->head.out_bytes, ref, bytes);
}

edge_status_t edge_batch_matmul_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_matmul_t *op = (const edge_op_matmul_t *)record;
  /* 2^15 * 255 * 255 < 2^31 */
  if (op->depth == 0 || op->depth > EDGE_MAX_DEPTH / 2 || op->head.variant != 0 ||
      !edge_range_ok(EDGE_S8, op->left_zero_point, 0, 0) ||
      !edge_range_ok(EDGE_S8, op->right_zero_point, 0, 0) ||
      !edge_range_ok(EDGE_S8, op->zero_point, 0, 0) || !edge_scale_ok(op->multiplier, op->shift))
    return EDGE_BAD_OPERATOR;
  uint32_t outputs = edge_product3(op->batches, op->rows, op->columns);
  if (!edge_out_is(plan, &op->head, EDGE_S8, outputs) ||
      !side_ok(plan, op, op->left, op->rows, op->left_strides) ||
      !side_ok(plan, op, op->right, op->columns, op->right_strides))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
