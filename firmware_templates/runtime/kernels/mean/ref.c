/* Mean. The converter folds 1 / count into the multiplier, as TFLite does. */
#include "../check.h"
#include "../fixed_point.h"
#include "../matrix/rows.h"
#include "../sums/sums.h"
#include "kernel.h"

/* Sums of up to EDGE_SUMS neighbours, each over op->reduce values that lie op->inner apart. */
static void sums_s8(const edge_op_mean_t *op, const int8_t *at, uint32_t count,
                    int32_t sums[EDGE_SUMS]) {
  const int32_t start = -(int32_t)op->reduce * op->input_zero_point;
  if (op->inner > 1) {
    const edge_area_t area = {1, 0, op->reduce, op->inner};
    edge_sums(at, &area, count, start, sums);
    return;
  }
  /* One sum, as a sum of sums: every EDGE_SUMS-th value, and the rest. */
  const edge_area_t area = {1, 0, op->reduce / EDGE_SUMS, EDGE_SUMS};
  const uint32_t rest = op->reduce % EDGE_SUMS;
  edge_sums(at, &area, EDGE_SUMS, 0, sums);
  sums[0] += start;
  for (uint32_t k = 1; k < EDGE_SUMS; k++)
    sums[0] += sums[k];
  for (uint32_t k = 0; k < rest; k++)
    sums[0] += at[op->reduce - rest + k];
}

static void mean_s8(const edge_op_mean_t *op, const int8_t *input, int8_t *out) {
  const edge_rows_t how = {.multiplier = op->multiplier,
                           .shift = op->shift,
                           .zero_point = op->zero_point,
                           .low = -128,
                           .high = 127};
  const uint32_t count = op->inner < EDGE_SUMS ? op->inner : EDGE_SUMS;
  for (uint32_t o = 0; o < op->outer; o++) {
    for (uint32_t from = 0; from < op->inner; from += EDGE_SUMS) {
      /* The last overlap those before. */
      uint32_t i = from < op->inner - count ? from : op->inner - count;
      int32_t sums[EDGE_SUMS];
      sums_s8(op, input + i, count, sums);
      edge_rows(&how, NULL, 0, count, sums, out + i);
    }
    input += op->reduce * op->inner;
    out += op->inner;
  }
}

static void mean_s16(const edge_op_mean_t *op, const int16_t *input, int16_t *out) {
  for (uint32_t o = 0; o < op->outer; o++) {
    for (uint32_t i = 0; i < op->inner; i++) {
      int32_t sum = 0;
      for (uint32_t r = 0; r < op->reduce; r++)
        sum += input[(o * op->reduce + r) * op->inner + i] - op->input_zero_point;
      *out++ =
          (int16_t)edge_requantise(sum, op->multiplier, op->shift, op->zero_point, -32768, 32767);
    }
  }
}

edge_status_t edge_mean_run(const edge_memory_t *memory, const void *record) {
  const edge_op_mean_t *op = (const edge_op_mean_t *)record;
  if (op->head.out_dtype == EDGE_S16)
    mean_s16(op, (const int16_t *)edge_at(memory, op->input),
             (int16_t *)edge_at(memory, op->head.out));
  else
    mean_s8(op, (const int8_t *)edge_at(memory, op->input),
            (int8_t *)edge_at(memory, op->head.out));
  return EDGE_OK;
}
