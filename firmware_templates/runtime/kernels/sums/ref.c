/* Sums over pixels in plain C. */
#include "sums.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

void edge_sums(const int8_t *at, const edge_area_t *area, uint32_t count, int32_t start,
               int32_t sums[EDGE_SUMS]) {
  for (uint32_t k = 0; k < count; k++) {
    sums[k] = start;
    for (uint32_t y = 0; y < area->rows; y++) {
      for (uint32_t x = 0; x < area->columns; x++)
        sums[k] += at[y * area->row_step + x * area->column_step + k];
    }
  }
}

#endif
