/* Outputs of fully connected rows from their sums, in plain C. */
#include "../fixed_point.h"
#include "kernel.h"

#if !defined(__ARM_FEATURE_MVE)

void edge_fully_connected_rows(const edge_op_fully_connected_t *op, const int32_t *scales,
                               uint32_t row, uint32_t count, const int32_t *sums, int8_t *out) {
  for (uint32_t k = 0; k < count; k++) {
    int32_t multiplier = scales ? scales[2 * (row + k)] : op->multiplier;
    int32_t shift = scales ? scales[2 * (row + k) + 1] : op->shift;
    out[k] = (int8_t)edge_requantise(sums[k], multiplier, shift, op->zero_point, op->low, op->high);
  }
}

#endif
