/* Softmax of int8 rows in plain C: TFLite's fixed-point reference, with exp from a table. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"

/* x * 2^exponent, saturated. */
static int32_t scale_up(int32_t x, uint32_t exponent) {
  int32_t limit = (int32_t)((1u << (31u - exponent)) - 1u);
  if (x > limit)
    return INT32_MAX;
  if (x < -limit)
    return INT32_MIN;
  return (int32_t)((uint32_t)x << exponent);
}

/* 1 / (1 + x) of Q0.31 by three Newton steps, as TFLite's fixed-point library computes it. */
static int32_t reciprocal_of_one_plus(int32_t x) {
  const int32_t c48_17 = 1515870810;
  const int32_t c32_17 = -1010580540;
  const int32_t one = 1 << 29;
  int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t y = c48_17 + edge_doubling_high_mul(half, c32_17);
  for (int i = 0; i < 3; i++) {
    int32_t error = one - edge_doubling_high_mul(half, y);
    y = edge_wrap_add(y, scale_up(edge_doubling_high_mul(y, error), 2));
  }
  return scale_up(y, 1);
}

/* Leading zero bits of a positive number. */
static uint32_t leading_zeros(int32_t x) {
  uint32_t count = 0;
  for (uint32_t bit = 1u << 31; !((uint32_t)x & bit); bit >>= 1)
    count++;
  return count;
}

static void softmax_row(const int8_t *in, int8_t *out, uint32_t depth, const int32_t *exps) {
  int32_t best = in[0];
  for (uint32_t i = 1; i < depth; i++)
    best = in[i] > best ? in[i] : best;
  int32_t sum = 0; /* Q12.19 */
  for (uint32_t i = 0; i < depth; i++)
    sum += edge_rounding_shift(exps[best - in[i]], 12);
  uint32_t zeros = leading_zeros(sum);
  int32_t scale = reciprocal_of_one_plus((int32_t)(((uint32_t)sum << zeros) - (1u << 31)));
  uint32_t shift = 12 - zeros + 31 - 8;
  for (uint32_t i = 0; i < depth; i++) {
    int32_t value = edge_rounding_shift(edge_doubling_high_mul(scale, exps[best - in[i]]), shift);
    out[i] = (int8_t)edge_clamp(value - 128, -128, 127);
  }
}

edge_status_t edge_softmax_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_softmax_t *op = (const edge_op_softmax_t *)record;
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int32_t *exps = (const int32_t *)edge_at(memory, op->exp_table);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t r = 0; r < op->rows; r++, input += op->depth, out += op->depth)
    softmax_row(input, out, op->depth, exps);
  return EDGE_OK;
}
