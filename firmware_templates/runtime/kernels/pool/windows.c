/* Pooling: which part of the image a window covers, and its mean or maxima. */
#include "../check.h"
#include "../fixed_point.h"
#include "../sums/sums.h"
#include "../window.h"
#include "kernel.h"
#include "largest.h"

static uint32_t clip(int32_t value, uint32_t limit) {
  return value < 0 ? 0 : (uint32_t)value < limit ? (uint32_t)value : limit;
}

/* The part of a window that lies inside the image; *at is its first pixel. Whole rows are one. */
static edge_area_t area_of(const edge_op_pool_t *op, uint32_t y, uint32_t x, const int8_t **at) {
  int32_t top = edge_window_start(y, op->stride_h, op->pad_top);
  int32_t left = edge_window_start(x, op->stride_w, op->pad_left);
  uint32_t y0 = clip(top, op->in_h), y1 = clip(top + (int32_t)op->kernel_h, op->in_h);
  uint32_t x0 = clip(left, op->in_w), x1 = clip(left + (int32_t)op->kernel_w, op->in_w);
  *at += (y0 * op->in_w + x0) * op->channels;
  edge_area_t area = {y1 - y0, op->in_w * op->channels, x1 - x0, op->channels};
  if (area.columns == op->in_w) {
    area.columns *= area.rows;
    area.rows = 1;
  }
  return area;
}

static int32_t mean(int32_t sum, int32_t count) {
  return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

static void average(const edge_op_pool_t *op, const int8_t *at, const edge_area_t *area,
                    int8_t *out) {
  const int32_t count = (int32_t)(area->rows * area->columns);
  const uint32_t channels = op->channels < EDGE_SUMS ? op->channels : EDGE_SUMS;
  for (uint32_t from = 0; from < op->channels; from += EDGE_SUMS) {
    /* The last of a pixel overlap those before. */
    uint32_t channel = from < op->channels - channels ? from : op->channels - channels;
    int32_t sums[EDGE_SUMS];
    edge_sums(at + channel, area, channels, 0, sums);
    for (uint32_t k = 0; k < channels; k++)
      out[channel + k] = (int8_t)edge_clamp(mean(sums[k], count), op->low, op->high);
  }
}

static inline __attribute__((always_inline)) void
pool(const edge_memory_t *memory, const edge_op_pool_t *op,
     void (*reduce)(const edge_op_pool_t *, const int8_t *, const edge_area_t *, int8_t *)) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t y = 0; y < op->out_h; y++) {
    for (uint32_t x = 0; x < op->out_w; x++, out += op->channels) {
      const int8_t *at = input;
      const edge_area_t area = area_of(op, y, x, &at);
      reduce(op, at, &area, out);
    }
  }
}

edge_status_t edge_average_pool_s8_run(const edge_memory_t *memory, const void *record) {
  pool(memory, (const edge_op_pool_t *)record, average);
  return EDGE_OK;
}

edge_status_t edge_max_pool_s8_run(const edge_memory_t *memory, const void *record) {
  pool(memory, (const edge_op_pool_t *)record, edge_largest);
  return EDGE_OK;
}
