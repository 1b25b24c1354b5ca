/* Pooling: what a record must satisfy. */
#include "../check.h"
#include "../window.h"
#include "kernel.h"

/* Every window touches the image. */
static bool touches(const edge_window_t *w) {
  return w->pad < w->kernel && (w->out - 1) * w->stride < w->in + w->pad;
}

static edge_status_t check(const edge_plan_t *plan, const edge_op_pool_t *op) {
  const edge_window_t rows = {op->in_h, op->out_h, op->kernel_h, op->stride_h, 1, op->pad_top};
  const edge_window_t columns = {op->in_w, op->out_w, op->kernel_w, op->stride_w, 1, op->pad_left};
  if (!edge_window_ok(&rows) || !edge_window_ok(&columns) || !touches(&rows) ||
      !touches(&columns) || edge_product2(op->kernel_h, op->kernel_w) > 1u << 20 ||
      op->head.variant != 0 || !edge_range_ok(EDGE_S8, 0, op->low, op->high))
    return EDGE_BAD_OPERATOR;
  uint32_t inputs = edge_product3(op->in_h, op->in_w, op->channels);
  if (!edge_out_is(plan, &op->head, EDGE_S8, edge_product3(op->out_h, op->out_w, op->channels)) ||
      !edge_may_read(plan, op->input, inputs, 1) ||
      !edge_apart(op->head.out, op->head.out_bytes, op->input, inputs))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}

edge_status_t edge_average_pool_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_pool_t *)record);
}

edge_status_t edge_max_pool_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_pool_t *)record);
}
