/* int16 logistic and tanh by Helium, four at a time: two gathering loads give the neighbours in the
 * table. */
#include "curve.h"
#include "kernel.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* `other` where key >= limit. GCC 12 would move the predicate through core registers. */
static inline int32x4_t replaced_from(int32x4_t x, int32x4_t key, int32_t limit, int32x4_t other) {
#if defined(__clang__)
  return vpselq_s32(other, x, vcmpgeq_n_s32(key, limit));
#else
  mve_pred16_t predicate;
  __asm__("vpt.s32 ge, %q[key], %[limit]\n"
          "vmovt %q[x], %q[other]\n"
          : [x] "+w"(x), "=Up"(predicate)
          : [key] "w"(key), [limit] "r"(limit), [other] "w"(other));
  return x;
#endif
}

typedef struct how {
  const uint16_t *table;
  int32x4_t multiplier;
  int32_t round;
  int32_t left;
} how_t;

static inline __attribute__((always_inline)) int32x4_t value(const edge_curve_t curve,
                                                             const how_t *how, int32x4_t x) {
  x = vshlq_r_s32(vmlasq_n_s32(x, how->multiplier, how->round), how->left);
  int32x4_t at = vabsq_s32(x);
  uint32x4_t index = vreinterpretq_u32_s32(
      vminq_s32(vshlq_r_s32(at, -curve.bits), vdupq_n_s32(254))); /* and its neighbour */
  int32x4_t from = vreinterpretq_s32_u32(vldrhq_gather_shifted_offset_u32(how->table, index));
  int32x4_t to = vreinterpretq_s32_u32(vldrhq_gather_shifted_offset_u32(how->table + 1, index));
  int32x4_t fraction = vandq_s32(at, vdupq_n_s32((1 << curve.bits) - 1));
  int32x4_t p = vmulq_s32(vsubq_s32(to, from), fraction);
  p = vrshlq_n_s32(vaddq_s32(p, vshlq_r_s32(from, curve.bits)), -curve.right);
  p = replaced_from(p, at, 255 << curve.bits, vdupq_n_s32(curve.saturated));
  p = vsubq_n_s32(p, curve.middle);
  int32x4_t sign = vshrq_n_s32(x, 31);
  return vaddq_n_s32(vsubq_s32(veorq_s32(p, sign), sign), curve.centre);
}

static inline __attribute__((always_inline)) void
run(const edge_curve_t curve, const edge_memory_t *memory, const edge_op_curve_t *op) {
  const int16_t *in = (const int16_t *)edge_at(memory, op->input);
  int16_t *out = (int16_t *)edge_at(memory, op->head.out);
  const how_t how = {(const uint16_t *)edge_at(memory, op->table), vdupq_n_s32(op->multiplier),
                     edge_curve_round(op), -op->left_shift};
  uint32_t left = op->count;
  for (; left >= 4; left -= 4, in += 4, out += 4)
    vstrhq_s32(out, value(curve, &how, vldrhq_s32(in)));
  mve_pred16_t active = vctp32q(left);
  vstrhq_p_s32(out, value(curve, &how, vldrhq_z_s32(in, active)), active);
}

edge_status_t edge_logistic_s16_run(const edge_memory_t *memory, const void *record) {
  run(edge_curve_logistic, memory, (const edge_op_curve_t *)record);
  return EDGE_OK;
}

edge_status_t edge_tanh_s16_run(const edge_memory_t *memory, const void *record) {
  run(edge_curve_tanh, memory, (const edge_op_curve_t *)record);
  return EDGE_OK;
}

#endif
