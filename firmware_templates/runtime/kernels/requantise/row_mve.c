/* Requantisation by Helium, four at a time. */
#include "row.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

static inline int32x4_t load(const uint8_t *at, uint32_t dtype) {
  return dtype == EDGE_S16  ? vldrhq_s32((const int16_t *)(const void *)at)
         : dtype == EDGE_S8 ? vldrbq_s32((const int8_t *)at)
                            : vreinterpretq_s32_u32(vldrbq_u32(at));
}

static inline int32x4_t load_some(const uint8_t *at, uint32_t dtype, mve_pred16_t active) {
  return dtype == EDGE_S16  ? vldrhq_z_s32((const int16_t *)(const void *)at, active)
         : dtype == EDGE_S8 ? vldrbq_z_s32((const int8_t *)at, active)
                            : vreinterpretq_s32_u32(vldrbq_z_u32(at, active));
}

typedef struct how {
  int32_t input_zero_point;
  int32_t multiplier;
  int32_t left;
  int32_t right;
  int32_t zero_point;
  int32x4_t low;
  int32x4_t high;
} how_t;

static inline int32x4_t value(const how_t *how, int32x4_t x) {
  x = vshlq_r_s32(vsubq_n_s32(x, how->input_zero_point), how->left);
  x = edge_rounding_shift4_n(vqrdmulhq_n_s32(x, how->multiplier), how->right);
  return vminq_s32(vmaxq_s32(vaddq_n_s32(x, how->zero_point), how->low), how->high);
}

/* Bytes of the output are the same for both signs. */
static inline __attribute__((always_inline)) void row_of(const how_t *how, uint32_t count,
                                                         const void *input, uint32_t from,
                                                         void *output, bool wide) {
  const uint8_t *in = (const uint8_t *)input;
  uint8_t *out = (uint8_t *)output;
  const uint32_t step = from == EDGE_S16 ? 8 : 4; /* bytes of four elements */
  for (; count >= 4; count -= 4, in += step, out += wide ? 8 : 4) {
    int32x4_t v = value(how, load(in, from));
    if (wide)
      vstrhq_s32((int16_t *)(void *)out, v);
    else
      vstrbq_s32((int8_t *)out, v);
  }
  mve_pred16_t active = vctp32q(count);
  int32x4_t v = value(how, load_some(in, from, active));
  if (wide)
    vstrhq_p_s32((int16_t *)(void *)out, v, active);
  else
    vstrbq_p_s32((int8_t *)out, v, active);
}

bool edge_requantise_row(const edge_op_requantise_t *op, const void *in, void *out) {
  const uint32_t from = op->input_dtype, to = op->head.out_dtype;
  if (from == EDGE_S32 || to == EDGE_S32)
    return false;
  const int32_t right = op->shift < 0 ? op->shift : 0;
  const how_t how = {op->input_zero_point,
                     op->multiplier,
                     op->shift - right,
                     right,
                     op->zero_point,
                     vdupq_n_s32(to == EDGE_S16  ? -32768
                                 : to == EDGE_S8 ? -128
                                                 : 0),
                     vdupq_n_s32(to == EDGE_S16  ? 32767
                                 : to == EDGE_S8 ? 127
                                                 : 255)};
  if (from == EDGE_S16)
    row_of(&how, op->count, in, EDGE_S16, out, to == EDGE_S16);
  else if (from == EDGE_S8)
    row_of(&how, op->count, in, EDGE_S8, out, to == EDGE_S16);
  else
    row_of(&how, op->count, in, EDGE_U8, out, to == EDGE_S16);
  return true;
}

#endif
