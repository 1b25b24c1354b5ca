/* Sum, difference, product, PRELU, extreme: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"

/* Elements that an operand spans: 1 + the largest index its strides reach. */
static uint32_t span(const uint32_t dims[4], const uint32_t strides[4]) {
  uint64_t last = 0;
  for (uint32_t i = 0; i < 4; i++)
    last += (uint64_t)(dims[i] - 1) * strides[i];
  return last < 1u << 30 ? (uint32_t)last + 1 : EDGE_TOO_MANY;
}

/* In place is fine where the operand is read in the order in which the output is written. */
static bool operand_ok(const edge_plan_t *plan, const edge_op_arithmetic_t *op, edge_ref_t ref,
                       const uint32_t strides[4], uint32_t count, uint32_t width) {
  uint32_t elements = span(op->dims, strides);
  if (!edge_may_read(plan, ref, elements, width))
    return false;
  if (edge_apart(op->head.out, op->head.out_bytes, ref, elements * width))
    return true;
  uint32_t dense = 1;
  for (uint32_t i = 4; i-- > 0;) {
    if (op->dims[i] > 1 && strides[i] != dense)
      return false;
    dense *= op->dims[i];
  }
  return ref == op->head.out && elements == count;
}

typedef enum kind { SUM, PRODUCT, PRELU, EXTREME } kind_t;

static edge_status_t check(const edge_plan_t *plan, const edge_op_arithmetic_t *op, uint32_t dtype,
                           kind_t kind) {
  bool wide = dtype == EDGE_S16;
  uint32_t width = wide ? 2u : 1u;
  uint32_t count = edge_product(op->dims, 4);
  if (count == EDGE_TOO_MANY || !edge_out_is(plan, &op->head, dtype, count) ||
      !operand_ok(plan, op, op->input1, op->strides1, count, width) ||
      !operand_ok(plan, op, op->input2, op->strides2, count, width))
    return EDGE_BAD_LAYOUT;
  int32_t limit = wide ? 0 : 128; /* TFLite's int16 is symmetric; this also bounds the sums */
  bool ok = edge_within(op->offset1, -limit, limit) && edge_within(op->offset2, -limit, limit) &&
            edge_scale_ok(op->multiplier, op->shift) && op->head.variant == 0 &&
            edge_range_ok(dtype, op->zero_point, op->low, op->high);
  if (kind == PRELU)
    ok = ok && edge_scale_ok(op->multiplier1, op->shift1);
  if (kind == EXTREME)
    ok = ok && (op->sign2 == 1 || op->sign2 == -1);
  if (kind == SUM)
    ok = ok && edge_within(op->left_shift, 0, wide ? 15 : 20) &&
         edge_scale_ok(op->multiplier1, op->shift1) && op->shift1 <= 0 &&
         edge_scale_ok(op->multiplier2, op->shift2) && op->shift2 <= 0 &&
         (op->sign2 == 1 || op->sign2 == -1);
  return ok ? EDGE_OK : EDGE_BAD_OPERATOR;
}

edge_status_t edge_add_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S8, SUM);
}

edge_status_t edge_add_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S16, SUM);
}

edge_status_t edge_mul_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S8, PRODUCT);
}

edge_status_t edge_mul_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S16, PRODUCT);
}

edge_status_t edge_prelu_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S8, PRELU);
}

edge_status_t edge_extreme_s8_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S8, EXTREME);
}

edge_status_t edge_extreme_s16_check(const edge_plan_t *plan, const void *record) {
  return check(plan, (const edge_op_arithmetic_t *)record, EDGE_S16, EXTREME);
}
