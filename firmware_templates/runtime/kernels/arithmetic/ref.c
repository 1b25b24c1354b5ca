/* Operators of two tensors in plain C. All are one walk over the output with a row function each,
 * so that the inner loop knows its type and operator. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"

/* One innermost row: element indices where the operands and the output start. */
typedef void (*row_fn)(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                       uint32_t ib, void *out, uint32_t io);

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

static void add_row_s8(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                       uint32_t ib, void *out, uint32_t io) {
  const int8_t *pa = (const int8_t *)a + ia;
  const int8_t *pb = (const int8_t *)b + ib;
  int8_t *po = (int8_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int8_t)sum(op, pa[i * op->strides1[3]], pb[i * op->strides2[3]]);
}

static void add_row_s16(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                        uint32_t ib, void *out, uint32_t io) {
  const int16_t *pa = (const int16_t *)a + ia;
  const int16_t *pb = (const int16_t *)b + ib;
  int16_t *po = (int16_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int16_t)sum(op, pa[i * op->strides1[3]], pb[i * op->strides2[3]]);
}

static void mul_row_s8(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                       uint32_t ib, void *out, uint32_t io) {
  const int8_t *pa = (const int8_t *)a + ia;
  const int8_t *pb = (const int8_t *)b + ib;
  int8_t *po = (int8_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int8_t)product(op, pa[i * op->strides1[3]], pb[i * op->strides2[3]]);
}

static void mul_row_s16(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                        uint32_t ib, void *out, uint32_t io) {
  const int16_t *pa = (const int16_t *)a + ia;
  const int16_t *pb = (const int16_t *)b + ib;
  int16_t *po = (int16_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int16_t)product(op, pa[i * op->strides1[3]], pb[i * op->strides2[3]]);
}

static void prelu_row_s8(const edge_op_arithmetic_t *op, const void *a, uint32_t ia, const void *b,
                         uint32_t ib, void *out, uint32_t io) {
  const int8_t *pa = (const int8_t *)a + ia;
  const int8_t *pb = (const int8_t *)b + ib;
  int8_t *po = (int8_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++) {
    int32_t x = pa[i * op->strides1[3]] + op->offset1;
    int32_t slope = pb[i * op->strides2[3]] + op->offset2;
    int32_t y = x >= 0 ? edge_rescale(x, op->multiplier1, op->shift1)
                       : edge_rescale(x * slope, op->multiplier, op->shift);
    po[i] = (int8_t)edge_clamp(edge_wrap_add(y, op->zero_point), op->low, op->high);
  }
}

/* The larger of two values, or, with sign -1, the smaller one. */
static int32_t extreme(int32_t a, int32_t b, int32_t sign) { return (a - b) * sign >= 0 ? a : b; }

static void extreme_row_s8(const edge_op_arithmetic_t *op, const void *a, uint32_t ia,
                           const void *b, uint32_t ib, void *out, uint32_t io) {
  const int8_t *pa = (const int8_t *)a + ia;
  const int8_t *pb = (const int8_t *)b + ib;
  int8_t *po = (int8_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int8_t)extreme(pa[i * op->strides1[3]], pb[i * op->strides2[3]], op->sign2);
}

static void extreme_row_s16(const edge_op_arithmetic_t *op, const void *a, uint32_t ia,
                            const void *b, uint32_t ib, void *out, uint32_t io) {
  const int16_t *pa = (const int16_t *)a + ia;
  const int16_t *pb = (const int16_t *)b + ib;
  int16_t *po = (int16_t *)out + io;
  for (uint32_t i = 0; i < op->dims[3]; i++)
    po[i] = (int16_t)extreme(pa[i * op->strides1[3]], pb[i * op->strides2[3]], op->sign2);
}

static edge_status_t walk(const edge_memory_t *memory, const void *record, row_fn row) {
  const edge_op_arithmetic_t *op = (const edge_op_arithmetic_t *)record;
  const void *a = edge_at(memory, op->input1);
  const void *b = edge_at(memory, op->input2);
  void *out = edge_at(memory, op->head.out);
  const uint32_t *s1 = op->strides1;
  const uint32_t *s2 = op->strides2;
  uint32_t io = 0;
  for (uint32_t i = 0; i < op->dims[0]; i++) {
    for (uint32_t j = 0; j < op->dims[1]; j++) {
      for (uint32_t k = 0; k < op->dims[2]; k++, io += op->dims[3])
        row(op, a, i * s1[0] + j * s1[1] + k * s1[2], b, i * s2[0] + j * s2[1] + k * s2[2], out,
            io);
    }
  }
  return EDGE_OK;
}

edge_status_t edge_add_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, add_row_s8);
}

edge_status_t edge_add_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, add_row_s16);
}

edge_status_t edge_mul_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, mul_row_s8);
}

edge_status_t edge_mul_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, mul_row_s16);
}

edge_status_t edge_prelu_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, prelu_row_s8);
}

edge_status_t edge_extreme_s8_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, extreme_row_s8);
}

edge_status_t edge_extreme_s16_run(const edge_memory_t *memory, const void *record) {
  return walk(memory, record, extreme_row_s16);
}
