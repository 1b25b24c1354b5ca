/* Outputs of rows from their sums, in plain C. */
#include "rows.h"

#include "../fixed_point.h"

#if !defined(__ARM_FEATURE_MVE)

void edge_rows(const edge_rows_t *how, const int32_t *scales, uint32_t row, uint32_t count,
               const int32_t *sums, int8_t *out) {
  for (uint32_t k = 0; k < count; k++) {
    int32_t multiplier = scales ? scales[2 * (row + k)] : how->multiplier;
    int32_t shift = scales ? scales[2 * (row + k) + 1] : how->shift;
    out[k] =
        (int8_t)edge_requantise(sums[k], multiplier, shift, how->zero_point, how->low, how->high);
  }
}

#endif
