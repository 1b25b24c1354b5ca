/* Four pixels at once: not in plain C. */
#include "packed.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

bool edge_conv_four(const edge_conv_t *conv, edge_pixel_t at, int8_t *out) {
  (void)conv;
  (void)at;
  (void)out;
  return false;
}

#endif
