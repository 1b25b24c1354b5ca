/* Maxima in plain C. */
#include "../fixed_point.h"
#include "largest.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

void edge_largest(const edge_op_pool_t *op, const int8_t *at, const edge_area_t *area,
                  int8_t *out) {
  for (uint32_t channel = 0; channel < op->channels; channel++) {
    int32_t best = -128;
    for (uint32_t y = 0; y < area->rows; y++) {
      for (uint32_t x = 0; x < area->columns; x++) {
        int32_t value = at[y * area->row_step + x * area->column_step + channel];
        best = value > best ? value : best;
      }
    }
    out[channel] = (int8_t)edge_clamp(best, op->low, op->high);
  }
}

#endif
