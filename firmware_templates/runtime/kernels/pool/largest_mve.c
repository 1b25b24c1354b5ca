/* Maxima by Helium, sixteen at a time. */
#include <stdbool.h>

#include "largest.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* Sixteen channels, or where not `all`, the active ones. */
static inline __attribute__((always_inline)) int8x16_t largest(int8x16_t best, const int8_t *at,
                                                               const edge_area_t *area,
                                                               mve_pred16_t active, bool all) {
  for (uint32_t y = area->rows; y > 0; y--, at += area->row_step) {
    const int8_t *pixel = at;
    for (uint32_t x = area->columns; x > 0; x--, pixel += area->column_step)
      best = vmaxq_s8(best, all ? vldrbq_s8(pixel) : vldrbq_z_s8(pixel, active));
  }
  return best;
}

void edge_largest(const edge_op_pool_t *op, const int8_t *at, const edge_area_t *area,
                  int8_t *out) {
  const int8x16_t low = vdupq_n_s8((int8_t)op->low), high = vdupq_n_s8((int8_t)op->high);
  uint32_t left = op->channels;
  for (; left >= 16; left -= 16, at += 16, out += 16)
    vstrbq_s8(out, vminq_s8(largest(low, at, area, 0, true), high));
  if (left > 0) {
    mve_pred16_t active = vctp8q(left);
    vstrbq_p_s8(out, vminq_s8(largest(low, at, area, active, false), high), active);
  }
}

#endif
