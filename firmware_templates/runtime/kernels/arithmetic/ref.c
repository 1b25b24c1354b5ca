/* Operators of two tensors: one walk over the output's rows, and each row in plain C, where no
 * other form covers it. Every operator has a row function, so that the inner loop knows its type
 * and operator. */
#include "../fixed_point.h"
#include "kernel.h"
#include "row.h"

typedef void (*plain_fn)(const edge_op_arithmetic_t *op, const edge_row_t *row);

static int32_t sum(const edge_op_arithmetic_t *op, int32_t a, int32_t b) {
  int32_t unit = (int32_t)(1u << (uint32_t)op->left_shift);
  int32_t sa = edge_rescale((a + op->offset1) * unit, op->multiplier1, op->shift1);
  int32_t sb = edge_rescale((b + op->offset2) * unit, op->multiplier2, op->shift2);
  return edge_requantise(edge_wrap_add(sa, op->sign2 * sb), op->multiplier, op->shift,
                         op->zero_point, op->low, op->high);
}

static int32_t product(const edge_op_arithmetic_t *op, int32_t a, int32_t b) {
  return edge_requantise((a + op->offset1) * (b + op->offset2), op->multiplier, op->shift,
                         op->zero_point, op->low, op->high);
}

static int32_t prelu(const edge_op_arithmetic_t *op, int32_t a, int32_t b) {
  int32_t x = a + op->offset1;
  int32_t slope = b + op->offset2;
  int32_t y = x >= 0 ? edge_rescale(x, op->multiplier1, op->shift1)
                     : edge_rescale(x * slope, op->multiplier, op->shift);
  return edge_clamp(edge_wrap_add(y, op->zero_point), op->low, op->high);
}

/* The larger of two values, or, with sign -1, the smaller one. */
static int32_t extreme(const edge_op_arithmetic_t *op, int32_t a, int32_t b) {
  return (a - b) * op->sign2 >= 0 ? a : b;
}

#define PLAIN_ROW(name, type, function)                                                            \
  EDGE_RARE static void name(const edge_op_arithmetic_t *op, const edge_row_t *row) {              \
    const type *a = (const type *)row->a;                                                          \
    const type *b = (const type *)row->b;                                                          \
    type *out = (type *)row->out;                                                                  \
    for (uint32_t i = 0; i < row->count; i++)                                                      \
      out[i] = (type)function(op, a[i * row->step1], b[i * row->step2]);                           \
  }

PLAIN_ROW(add_s8, int8_t, sum)
PLAIN_ROW(add_s16, int16_t, sum)
PLAIN_ROW(mul_s8, int8_t, product)
PLAIN_ROW(mul_s16, int16_t, product)
PLAIN_ROW(prelu_s8, int8_t, prelu)
PLAIN_ROW(extreme_s8, int8_t, extreme)
PLAIN_ROW(extreme_s16, int16_t, extreme)

/* Dimensions of which no two can be walked as one; the last is the row. */
typedef struct nest {
  uint32_t dims[4];
  uint32_t strides1[4];
  uint32_t strides2[4];
} nest_t;

static nest_t nest_of(const edge_op_arithmetic_t *op) {
  nest_t nest = {{1, 1, 1, op->dims[3]},
                 {0, 0, 0, op->dims[3] > 1 ? op->strides1[3] : 0},
                 {0, 0, 0, op->dims[3] > 1 ? op->strides2[3] : 0}};
  uint32_t at = 3;
  for (uint32_t i = 3; i-- > 0;) {
    if (op->dims[i] == 1)
      continue;
    bool on = op->strides1[i] == nest.strides1[at] * nest.dims[at] &&
              op->strides2[i] == nest.strides2[at] * nest.dims[at];
    if (!on && nest.dims[at] > 1)
      at--;
    if (!on) {
      nest.strides1[at] = op->strides1[i];
      nest.strides2[at] = op->strides2[i];
    }
    nest.dims[at] *= op->dims[i];
  }
  return nest;
}

static edge_status_t walk(const edge_memory_t *memory, const void *record, uint32_t width,
                          edge_row_fn fast, plain_fn plain) {
  const edge_op_arithmetic_t *op = (const edge_op_arithmetic_t *)record;
  const uint8_t *a = (const uint8_t *)edge_at(memory, op->input1);
  const uint8_t *b = (const uint8_t *)edge_at(memory, op->input2);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  const nest_t nest = nest_of(op);
  const uint32_t *s1 = nest.strides1;
  const uint32_t *s2 = nest.strides2;
  edge_row_t row = {.count = nest.dims[3], .step1 = s1[3], .step2 = s2[3]};
  for (uint32_t i = 0; i < nest.dims[0]; i++) {
    for (uint32_t j = 0; j < nest.dims[1]; j++) {
      for (uint32_t k = 0; k < nest.dims[2]; k++, out += width * row.count) {
        row.a = a + width * (i * s1[0] + j * s1[1] + k * s1[2]);
        row.b = b + width * (i * s2[0] + j * s2[1] + k * s2[2]);
        row.out = out;
        if (fast == NULL || !fast(op, &row))
          plain(op, &row);
      }
    }
  }
  return EDGE_OK;
}

edge_status_t edge_add_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 1, EDGE_ROW(edge_add_s8_row), add_s8);
}

edge_status_t edge_add_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 2, EDGE_ROW(edge_add_s16_row), add_s16);
}

edge_status_t edge_mul_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 1, EDGE_ROW(edge_mul_s8_row), mul_s8);
}

edge_status_t edge_mul_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 2, EDGE_ROW(edge_mul_s16_row), mul_s16);
}

edge_status_t edge_prelu_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 1, EDGE_ROW(edge_prelu_s8_row), prelu_s8);
}

edge_status_t edge_extreme_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 1, EDGE_ROW(edge_extreme_s8_row), extreme_s8);
}

edge_status_t edge_extreme_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, 2, EDGE_ROW(edge_extreme_s16_row), extreme_s16);
}
