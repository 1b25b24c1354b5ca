/* Command stream for an Ethos-U: what a record must satisfy. */
#include "../check.h"
#include "../../npu/ethosu/bounds.h"
#include "../../npu/ethosu/driver.h"
#include "kernel.h"

static bool aligned(const edge_op_npu_t *op) {
  const edge_ref_t all = op->stream | op->weights | op->scratch | op->fast;
  return EDGE_REF_OFFSET(all) % EDGE_ETHOSU_ALIGN == 0;
}

static bool may_work_in(const edge_plan_t *plan, edge_ref_t ref, uint32_t bytes) {
  return EDGE_REF_SPACE(ref) == EDGE_SPACE_ARENA && edge_may_write(plan, ref, bytes, 1);
}

/* What the NPU may write is the arena's, and the record's output lies there. */
static bool memory_ok(const edge_plan_t *plan, const edge_op_npu_t *op) {
  const bool one = op->fast == op->scratch && op->fast_bytes == op->scratch_bytes;
  return may_work_in(plan, op->scratch, op->scratch_bytes) &&
         may_work_in(plan, op->fast, op->fast_bytes) &&
         (one || edge_apart(op->scratch, op->scratch_bytes, op->fast, op->fast_bytes)) &&
         edge_may_write(plan, op->head.out, op->head.out_bytes, 1) && op->head.out >= op->scratch &&
         op->head.out_bytes <= op->scratch_bytes &&
         op->head.out - op->scratch <= op->scratch_bytes - op->head.out_bytes;
}

edge_status_t edge_npu_ethosu_check(const edge_plan_t *plan, const void *record) {
  const edge_op_npu_t *op = (const edge_op_npu_t *)record;
  if (op->head.variant != 0 || !aligned(op))
    return EDGE_BAD_OPERATOR;
  if (edge_ethosu_product(op->config) == 0)
    return EDGE_NPU_CONFIG;
  const bool weights_ok = op->weights_bytes == 0
                              ? EDGE_REF_SPACE(op->weights) == EDGE_SPACE_NONE
                              : edge_is_const(plan, op->weights, op->weights_bytes, 1);
  if (!edge_is_const(plan, op->stream, op->stream_words, 4) || !weights_ok || !memory_ok(plan, op))
    return EDGE_BAD_LAYOUT;
  const uint8_t *stream = plan->consts + EDGE_REF_OFFSET(op->stream);
  const uint64_t regions[EDGE_ETHOSU_REGIONS] = {op->weights_bytes, op->scratch_bytes,
                                                 op->fast_bytes};
  return edge_ethosu_check_stream((const uint32_t *)(const void *)stream, op->stream_words, regions,
                                  op->config);
}
