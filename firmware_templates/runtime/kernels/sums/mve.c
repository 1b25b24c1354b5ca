/* Sums over pixels by Helium, eight at a time in 16 bits, which go over into 32 bits before they
 * could overflow. */
#include <stdbool.h>

#include "sums.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

static inline __attribute__((always_inline)) void
sum_of(const int8_t *at, const edge_area_t *area, uint32_t count, int32_t start, int32_t *sums) {
  const bool all = count == EDGE_SUMS;
  const mve_pred16_t active = vctp16q(count);
  int32x4_t even = vdupq_n_s32(start), odd = even;
  int16x8_t lanes = vdupq_n_s16(0);
  uint32_t room = EDGE_SUM_PIXELS;
  const uint32_t step = area->column_step;
  for (uint32_t y = 0; y < area->rows; y++, at += area->row_step) {
    const int8_t *pixel = at;
    for (uint32_t left = area->columns; left > 0;) {
      uint32_t now = left < room ? left : room;
      left -= now;
      room -= now;
      for (; now > 0; now--, pixel += step)
        lanes = vaddq_s16(lanes, all ? vldrbq_s16(pixel) : vldrbq_z_s16(pixel, active));
      if (room == 0) {
        even = vaddq_s32(even, vmovlbq_s16(lanes));
        odd = vaddq_s32(odd, vmovltq_s16(lanes));
        lanes = vdupq_n_s16(0);
        room = EDGE_SUM_PIXELS;
      }
    }
  }
  even = vaddq_s32(even, vmovlbq_s16(lanes));
  odd = vaddq_s32(odd, vmovltq_s16(lanes));
  vst2q_s32(sums, ((int32x4x2_t){{even, odd}}));
}

void edge_sums(const int8_t *at, const edge_area_t *area, uint32_t count, int32_t start,
               int32_t sums[EDGE_SUMS]) {
  if (count == EDGE_SUMS)
    sum_of(at, area, EDGE_SUMS, start, sums);
  else
    sum_of(at, area, count, start, sums);
}

#endif
