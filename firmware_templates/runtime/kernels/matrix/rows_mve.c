/* Outputs of rows from their sums, four at a time by Helium. */
#include "rows.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

static int32x4_t rescaled(const int32_t *scales, int32x4_t sums, mve_pred16_t active) {
  const uint32x4_t at = {0, 8, 16, 24};
  int32x4_t multiplier = vldrwq_gather_offset_z_s32(scales, at, active);
  int32x4_t shift = vldrwq_gather_offset_z_s32(scales + 1, at, active);
  int32x4_t left = vmaxq_s32(shift, vdupq_n_s32(0));
  int32x4_t right = vminq_s32(shift, vdupq_n_s32(0));
  return edge_rounding_shift4(vqrdmulhq_s32(vshlq_s32(sums, left), multiplier), right);
}

void edge_rows(const edge_rows_t *how, const int32_t *scales, uint32_t row, uint32_t count,
               const int32_t *sums, int8_t *out) {
  const int32x4_t low = vdupq_n_s32(how->low);
  const int32x4_t high = vdupq_n_s32(how->high);
  for (uint32_t k = 0; k < count; k += 4) {
    mve_pred16_t active = vctp32q(count - k);
    int32x4_t v = vldrwq_s32(sums + k);
    if (scales)
      v = rescaled(scales + 2 * (row + k), v, active);
    else
      v = edge_rescale4(v, how->multiplier, how->shift);
    v = vminq_s32(vmaxq_s32(vaddq_n_s32(v, how->zero_point), low), high);
    vstrbq_p_s32(out + k, v, active);
  }
}
#endif
