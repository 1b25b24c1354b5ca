/* Log-softmax of int8 rows in plain C: TFLite's fixed-point reference, with exp from a table. */
#include "../check.h"
#include "../reciprocal.h"
#include "kernel.h"

#define LOG_2 1488522236         /* log(2), as Q0.31 like all of these */
#define SQRT_HALF 1518500250     /* 2^(-1/2) */
#define CENTRE 1805811301        /* 2^(-1/4) */
#define NUMERATOR_CUBE 117049297 /* 11/240 * 2^(1/4) */
#define BELOW_ONE 1057819769     /* 2^(3/4) - 2^(1/4) */
#define BELOW_LINE 638450708     /* 1/4 * 2^(1/4) */
#define BELOW_SQUARE 127690142   /* 1/20 * 2^(1/4) */

/* A mantissa near CENTRE as Q0.31, and the power of two that goes with it as Q6.25. */
typedef struct edge_parts {
  int32_t mantissa;
  int32_t power;
} edge_parts_t;

/* Of x >= 1, Q12.19. TFLite starts from x and from x / sqrt(2), which give mantissas on both sides
 * of CENTRE, and takes the smaller mantissa and the larger power. */
static edge_parts_t parts_of(int32_t x) {
  const int32_t quarter = 1 << 23;
  const uint32_t zeros = edge_leading_zeros((uint32_t)x);
  const int32_t whole = (int32_t)((uint32_t)x << (zeros - 1));
  const int32_t first = edge_scale_up(edge_doubling_high_mul(whole, SQRT_HALF), 1);
  const int32_t first_power = ((12 - (int32_t)zeros) << 25) + quarter;
  const int32_t less = edge_doubling_high_mul(x, SQRT_HALF);
  const uint32_t headroom = edge_leading_zeros((uint32_t)less) - 1;
  const int32_t second = edge_scale_up(x, headroom);
  const int32_t second_power = ((12 - (int32_t)headroom) << 25) - quarter;
  return (edge_parts_t){.mantissa = first < second ? first : second,
                        .power = first_power > second_power ? first_power : second_power};
}

/* log of x >= 1, Q12.19, as Q5.26: power * log(2), and of the mantissa a quotient of polynomials in
 * twice its distance from CENTRE. */
static int32_t log_of(int32_t x) {
  const edge_parts_t parts = parts_of(x);
  const int32_t r = parts.mantissa;
  const int32_t middle = (int32_t)(((uint32_t)r + CENTRE + 1u) >> 1);
  const int32_t q = 2 * (r - CENTRE);
  const int32_t square = edge_doubling_high_mul(q, q);
  const int32_t cube = edge_doubling_high_mul(q, square);
  const int32_t above = edge_doubling_high_mul(q, r) + edge_doubling_high_mul(cube, NUMERATOR_CUBE);
  const int32_t sum = BELOW_ONE + q + edge_doubling_high_mul(square, BELOW_SQUARE);
  const int32_t below = edge_doubling_high_mul(sum, middle) + edge_doubling_high_mul(q, BELOW_LINE);
  const int32_t part =
      edge_doubling_high_mul(edge_rounding_shift(above, 6), edge_reciprocal_of_one_plus(below));
  return edge_scale_up(edge_doubling_high_mul(parts.power, LOG_2) + part, 1);
}

static void row(const edge_op_log_softmax_t *op, const int8_t *in, int8_t *out,
                const int32_t *exps) {
  int32_t best = in[0];
  for (uint32_t i = 1; i < op->depth; i++)
    best = in[i] > best ? in[i] : best;
  int32_t sum = 0; /* Q12.19 */
  for (uint32_t i = 0; i < op->depth; i++)
    sum += exps[best - in[i]];
  const int32_t log_sum = log_of(sum);
  for (uint32_t i = 0; i < op->depth; i++) {
    const int32_t below = best - in[i];
    int32_t value = -128;
    if ((uint32_t)below <= op->reach) {
      value = edge_wrap_add(edge_rescale(-below, op->multiplier, op->shift), -log_sum);
      value = edge_clamp(edge_rounding_shift(value, 22) + 127, -128, 127);
    }
    out[i] = (int8_t)value;
  }
}

edge_status_t edge_log_softmax_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_log_softmax_t *op = (const edge_op_log_softmax_t *)record;
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int32_t *exps = (const int32_t *)edge_at(memory, op->exp_table);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t r = 0; r < op->rows; r++, input += op->depth, out += op->depth)
    row(op, input, out, exps);
  return EDGE_OK;
}
