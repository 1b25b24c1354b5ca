/* Softmax of int16 rows by Helium, four at a time: two gathering loads give the neighbours in the
 * table. */
#include "row.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

typedef struct how {
  const int16_t *exps;
  int32_t best;
  int32_t multiplier;
  int32_t left;
  int32_t right;
} how_t;

/* Of inputs, of which none is above the row's largest. */
static inline int32x4_t terms(const how_t *how, int32x4_t x) {
  x = vshlq_r_s32(vsubq_n_s32(x, how->best), how->left);
  x = edge_rounding_shift4_n(vqrdmulhq_n_s32(x, how->multiplier), how->right);
  x = vmaxq_s32(vaddq_n_s32(x, 0xffff), vdupq_n_s32(0));
  uint32x4_t index = vreinterpretq_u32_s32(vshrq_n_s32(x, 7));
  int32x4_t from = vldrhq_gather_shifted_offset_s32(how->exps, index);
  int32x4_t to = vldrhq_gather_shifted_offset_s32(how->exps + 1, index);
  int32x4_t part = vmulq_s32(vsubq_s32(to, from), vandq_s32(x, vdupq_n_s32(127)));
  return vaddq_s32(from, vrshrq_n_s32(part, 7));
}

static inline int32x4_t outputs(edge_softmax16_scale_t scale, int32x4_t x) {
  x = vrshlq_n_s32(vmulq_n_s32(x, scale.reciprocal), -scale.right);
  return vminq_s32(vmaxq_s32(x, vdupq_n_s32(0)), vdupq_n_s32(32767));
}

static int32_t largest(const int16_t *in, uint32_t count) {
  int16_t most = -32768;
  for (uint32_t i = 0; i < count; i += 8) {
    mve_pred16_t active = vctp16q(count - i);
    most = vmaxvq_p_s16(most, vldrhq_z_s16(in + i, active), active);
  }
  return most;
}

bool edge_softmax_s16_row(const edge_op_softmax16_t *op, const int16_t *exps, const int16_t *table,
                          const int16_t *in, int16_t *out) {
  const int32_t right = op->shift < 0 ? op->shift : 0;
  if (op->shift > 14) /* no difference may overflow */
    return false;
  const how_t how = {exps, largest(in, op->depth), op->multiplier, op->shift - right, right};
  const mve_pred16_t rest = vctp32q(op->depth % 4);
  int16_t *at = out, *end = out + (op->depth - op->depth % 4);
  int32_t sum = 0;
  for (; at != end; at += 4, in += 4) {
    int32x4_t x = terms(&how, vldrhq_s32(in));
    sum = vaddvaq_s32(sum, x);
    vstrhq_s32(at, x);
  }
  /* of none, the largest stands for what is not there */
  int32x4_t few = vpselq_s32(vldrhq_z_s32(in, rest), vdupq_n_s32(how.best), rest);
  few = terms(&how, few);
  sum = vaddvaq_p_s32(sum, few, rest);
  const edge_softmax16_scale_t scale = edge_softmax16_scale_of((uint32_t)sum, table);
  for (at = out; at != end; at += 4)
    vstrhq_s32(at, outputs(scale, vldrhq_s32(at)));
  vstrhq_p_s32(end, outputs(scale, few), rest);
  return true;
}

#endif
