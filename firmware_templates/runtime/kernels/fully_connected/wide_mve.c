/* int16 products by Helium: eight columns of four rows at a time, into sums of 64 bits. */
#include "wide.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

void edge_dot4_s16(const int16_t *x, const int8_t *weights, uint32_t rows, uint32_t depth,
                   int64_t sums[4]) {
  const int8_t *w0 = weights, *w1 = rows > 1 ? w0 + depth : w0;
  const int8_t *w2 = rows > 2 ? w1 + depth : w0, *w3 = rows > 3 ? w2 + depth : w0;
  int64_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (uint32_t left = depth / 8; left > 0; left--) {
    int16x8_t eight = vldrhq_s16(x);
    a0 = vmlaldavaq_s16(a0, eight, vldrbq_s16(w0));
    a1 = vmlaldavaq_s16(a1, eight, vldrbq_s16(w1));
    a2 = vmlaldavaq_s16(a2, eight, vldrbq_s16(w2));
    a3 = vmlaldavaq_s16(a3, eight, vldrbq_s16(w3));
    x += 8, w0 += 8, w1 += 8, w2 += 8, w3 += 8;
  }
  const mve_pred16_t rest = vctp16q(depth % 8);
  int16x8_t few = vldrhq_z_s16(x, rest);
  sums[0] = vmlaldavaq_s16(a0, few, vldrbq_z_s16(w0, rest));
  sums[1] = vmlaldavaq_s16(a1, few, vldrbq_z_s16(w1, rest));
  sums[2] = vmlaldavaq_s16(a2, few, vldrbq_z_s16(w2, rest));
  sums[3] = vmlaldavaq_s16(a3, few, vldrbq_z_s16(w3, rest));
}

#endif
