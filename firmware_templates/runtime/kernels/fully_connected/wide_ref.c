/* int16 products in plain C, row by row. */
#include "wide.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

void edge_dot4_s16(const int16_t *x, const int8_t *weights, uint32_t rows, uint32_t depth,
                   int64_t sums[4]) {
  for (uint32_t k = 0; k < rows; k++, weights += depth) {
    sums[k] = 0;
    for (uint32_t i = 0; i < depth; i++)
      sums[k] += (int32_t)x[i] * weights[i];
  }
}

#endif
