/* Strided copy: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

/* Bytes from the first to behind the last that `strides` reach. */
static uint64_t span(const edge_op_copy_t *op, const uint32_t strides[4]) {
  uint64_t last = 0;
  for (uint32_t i = 0; i < 4; i++)
    last += (uint64_t)(op->dims[i] - 1) * strides[i];
  return last + op->width;
}

static bool aligned(const edge_op_copy_t *op) {
  uint32_t all = op->input_bytes | op->out_start;
  for (uint32_t i = 0; i < 4; i++)
    all |= op->in_strides[i] | op->out_strides[i];
  return all % op->width == 0;
}

edge_status_t edge_copy_check(const edge_plan_t *plan, const void *record) {
  const edge_op_copy_t *op = (const edge_op_copy_t *)record;
  uint32_t count = edge_product(op->dims, 4);
  if (op->head.variant != 0 ||
      (op->width != 1 && op->width != 2 && op->width != 4 && op->width != 8) || !aligned(op))
    return EDGE_BAD_OPERATOR;
  if (count == EDGE_TOO_MANY || edge_product2(count, op->width) > op->head.out_bytes ||
      !edge_may_read(plan, op->input, op->input_bytes / op->width, op->width) ||
      !edge_may_write(plan, op->head.out, op->head.out_bytes / op->width, op->width) ||
      op->head.out_bytes % op->width != 0 ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, op->input_bytes))
    return EDGE_BAD_LAYOUT;
  if (span(op, op->in_strides) > op->input_bytes ||
      span(op, op->out_strides) + op->out_start > op->head.out_bytes)
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}
