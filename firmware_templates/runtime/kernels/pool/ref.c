/* Pooling: in plain C channel by channel, by Helium four sums or sixteen maxima at a time. */
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

static int32_t mean(int32_t sum, const area_t *area) {
  int32_t count = (int32_t)((area->y1 - area->y0) * (area->x1 - area->x0));
  return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* Channels of the area's first pixel of row y. */
static const int8_t *row_of(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                            uint32_t y, uint32_t channel) {
  return input + (y * op->in_w + area->x0) * op->channels + channel;
}

static void average(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                    int8_t *out) {
  for (uint32_t channel = 0; channel < op->channels; channel += 4) {
    mve_pred16_t active = vctp32q(op->channels - channel);
    int32x4_t sums = vdupq_n_s32(0);
    for (uint32_t y = area->y0; y < area->y1; y++) {
      const int8_t *pixel = row_of(op, input, area, y, channel);
      for (uint32_t x = area->x1 - area->x0; x > 0; x--, pixel += op->channels)
        sums = vaddq_s32(sums, vldrbq_z_s32(pixel, active));
    }
    int32_t each[4];
    vstrwq_s32(each, sums);
    for (uint32_t k = 0; k < 4; k++)
      each[k] = edge_clamp(mean(each[k], area), op->low, op->high);
    vstrbq_p_s32(out + channel, vldrwq_s32(each), active);
  }
}

static void maximum(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                    int8_t *out) {
  for (uint32_t channel = 0; channel < op->channels; channel += 16) {
    mve_pred16_t active = vctp8q(op->channels - channel);
    int8x16_t best = vdupq_n_s8((int8_t)op->low);
    for (uint32_t y = area->y0; y < area->y1; y++) {
      const int8_t *pixel = row_of(op, input, area, y, channel);
      for (uint32_t x = area->x1 - area->x0; x > 0; x--, pixel += op->channels)
        best = vmaxq_m_s8(best, best, vldrbq_z_s8(pixel, active), active);
    }
    vstrbq_p_s8(out + channel, vminq_s8(best, vdupq_n_s8((int8_t)op->high)), active);
  }
}

#else

static void average(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                    int8_t *out) {
  for (uint32_t channel = 0; channel < op->channels; channel++) {
    int32_t sum = 0;
    for (uint32_t y = area->y0; y < area->y1; y++) {
      for (uint32_t x = area->x0; x < area->x1; x++)
        sum += input[(y * op->in_w + x) * op->channels + channel];
    }
    out[channel] = (int8_t)edge_clamp(mean(sum, area), op->low, op->high);
  }
}

static void maximum(const edge_op_pool_t *op, const int8_t *input, const area_t *area,
                    int8_t *out) {
  for (uint32_t channel = 0; channel < op->channels; channel++) {
    int32_t best = -128;
    for (uint32_t y = area->y0; y < area->y1; y++) {
      for (uint32_t x = area->x0; x < area->x1; x++) {
        int32_t value = input[(y * op->in_w + x) * op->channels + channel];
        best = value > best ? value : best;
      }
    }
    out[channel] = (int8_t)edge_clamp(best, op->low, op->high);
  }
}

#endif

static void pool(const edge_memory_t *memory, const edge_op_pool_t *op,
                 void (*reduce)(const edge_op_pool_t *, const int8_t *, const area_t *, int8_t *)) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t y = 0; y < op->out_h; y++) {
    for (uint32_t x = 0; x < op->out_w; x++, out += op->channels) {
      area_t area = area_of(op, y, x);
      reduce(op, input, &area, out);
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
