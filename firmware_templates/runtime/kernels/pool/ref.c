/* Pooling in plain C. */
#include "../check.h"
#include "../fixed_point.h"
#include "../window.h"
#include "kernel.h"

/* The part of a window that lies inside the image. */
typedef struct area {
  uint32_t y0;
  uint32_t y1;
  uint32_t x0;
  uint32_t x1;
} area_t;

static uint32_t clip(int32_t value, uint32_t limit) {
  return value < 0 ? 0 : (uint32_t)value < limit ? (uint32_t)value : limit;
}

static area_t area_of(const edge_op_pool_t *op, uint32_t y, uint32_t x) {
  int32_t top = edge_window_start(y, op->stride_h, op->pad_top);
  int32_t left = edge_window_start(x, op->stride_w, op->pad_left);
  area_t area = {clip(top, op->in_h), clip(top + (int32_t)op->kernel_h, op->in_h),
                 clip(left, op->in_w), clip(left + (int32_t)op->kernel_w, op->in_w)};
  return area;
}

static int32_t average(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                       uint32_t channel) {
  int32_t sum = 0;
  for (uint32_t y = area->y0; y < area->y1; y++) {
    for (uint32_t x = area->x0; x < area->x1; x++)
      sum += input[(y * op->in_w + x) * op->channels + channel];
  }
  int32_t count = (int32_t)((area->y1 - area->y0) * (area->x1 - area->x0));
  return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

static int32_t maximum(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                       uint32_t channel) {
  int32_t best = -128;
  for (uint32_t y = area->y0; y < area->y1; y++) {
    for (uint32_t x = area->x0; x < area->x1; x++) {
      int32_t value = input[(y * op->in_w + x) * op->channels + channel];
      best = value > best ? value : best;
    }
  }
  return best;
}

static void pool(const edge_memory_t *memory, const edge_op_pool_t *op,
                 int32_t (*reduce)(const edge_op_pool_t *, const int8_t *, const area_t *,
                                   uint32_t)) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t y = 0; y < op->out_h; y++) {
    for (uint32_t x = 0; x < op->out_w; x++, out += op->channels) {
      area_t area = area_of(op, y, x);
      for (uint32_t channel = 0; channel < op->channels; channel++)
        out[channel] = (int8_t)edge_clamp(reduce(op, input, &area, channel), op->low, op->high);
    }
  }
}

edge_status_t edge_average_pool_s8_run(const edge_memory_t *memory, const void *record) {
  pool(memory, (const edge_op_pool_t *)record, average);
  return EDGE_OK;
}

edge_status_t edge_max_pool_s8_run(const edge_memory_t *memory, const void *record) {
  pool(memory, (const edge_op_pool_t *)record, maximum);
  return EDGE_OK;
}
