/* Gates and cells of the LSTM by Helium: gate_curves.c in eight int16 lanes.
 * VQRDMULH is its product; where plain C cannot leave int16, lanes wrap. */
#include "packed.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

#define ONE 32767 /* 1.0 as Q0.15 */

void edge_lstm_gate(int16_t *gate, const int32_t *sums, uint32_t count, int32_t multiplier,
                    int32_t shift, bool first) {
  const int32x4_t low = vdupq_n_s32(-32768);
  const int32x4_t high = vdupq_n_s32(32767);
  for (uint32_t k = 0; k < count; k += 4) {
    int32x4_t v = edge_rescale4(vldrwq_s32(sums + k), multiplier, shift);
    if (!first)
      v = vaddq_s32(v, vldrhq_s32(gate + k));
    vstrhq_s32(gate + k, vminq_s32(vmaxq_s32(v, low), high));
  }
}

/* exp of Q0.15 in [-1/4, 0). */
static inline int16x8_t exp_near_zero(int16x8_t a) {
  const int16_t exp_minus_eighth = 28918;
  int16x8_t x = vaddq_n_s16(a, 1 << 12);
  int16x8_t x2 = vqrdmulhq_s16(x, x);
  int16x8_t x3 = vqrdmulhq_s16(x2, x);
  int16x8_t x4 = vqrdmulhq_s16(x2, x2);
  int16x8_t tail = vaddq_s16(vqrdmulhq_n_s16(vaddq_s16(vrshrq_n_s16(x4, 2), x3), 10923), x2);
  x = vaddq_s16(x, vrshrq_n_s16(tail, 1));
  return vqaddq_n_s16(vqrdmulhq_n_s16(x, exp_minus_eighth), exp_minus_eighth);
}

#if defined(__clang__)
/* x * factor where key >= 0. */
static inline int16x8_t multiply_where(int16x8_t x, int16_t factor, int16x8_t key) {
  return vqrdmulhq_m_n_s16(x, x, factor, vcmpgeq_n_s16(key, 0));
}

/* `other` where key <= 0. */
static inline int16x8_t choose_above(int16x8_t x, int16x8_t key, int16x8_t other) {
  return vpselq_s16(other, x, vcmpleq_n_s16(key, 0));
}

/* `other` where key == 0. */
static inline int16x8_t choose_nonzero(int16x8_t x, int16x8_t key, int16x8_t other) {
  return vpselq_s16(other, x, vcmpeqq_n_s16(key, 0));
}
#else
/* The same for GCC 12, which moves predicates through core registers, one at a time; here they stay
 * where VPT puts them. */
static inline int16x8_t multiply_where(int16x8_t x, int16_t factor, int16x8_t key) {
  mve_pred16_t predicate;
  __asm__("vpt.s16 ge, %q[key], zr\n"
          "vqrdmulht.s16 %q[x], %q[x], %[factor]\n"
          : [x] "+w"(x), "=Up"(predicate)
          : [key] "w"(key), [factor] "r"(factor));
  return x;
}

static inline int16x8_t choose_above(int16x8_t x, int16x8_t key, int16x8_t other) {
  mve_pred16_t predicate;
  __asm__("vpt.s16 le, %q[key], zr\n"
          "vmovt %q[x], %q[other]\n"
          : [x] "+w"(x), "=Up"(predicate)
          : [key] "w"(key), [other] "w"(other));
  return x;
}

static inline int16x8_t choose_nonzero(int16x8_t x, int16x8_t key, int16x8_t other) {
  mve_pred16_t predicate;
  __asm__("vpt.i16 eq, %q[key], zr\n"
          "vmovt %q[x], %q[other]\n"
          : [x] "+w"(x), "=Up"(predicate)
          : [key] "w"(key), [other] "w"(other));
  return x;
}
#endif

/* exp of a < 0 with `bits` (1 to 7) integer bits, as Q0.15. Its fraction below 1/4 goes through the
 * series; each bit of the rest of -a, which is clear in a, multiplies by one more constant. */
static inline __attribute__((always_inline)) int16x8_t exp_negative(int16x8_t a, int32_t bits) {
  static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
  uint16x8_t low = vreinterpretq_u16_s16(vshlq_r_s16(a, bits));
  int16x8_t result = exp_near_zero(vreinterpretq_s16_u16(vorrq_n_u16(low, 0xE000)));
#define BIT(below_top)                                                                             \
  if (bits + 1 >= (below_top) && bits + 1 - (below_top) < 7)                                       \
    result =                                                                                       \
        multiply_where(result, factors[bits + 1 - (below_top)], vshlq_n_s16(a, (below_top) + 1));
  BIT(8)
  BIT(7)
  BIT(6)
  BIT(5)
  BIT(4)
  BIT(3)
  BIT(2)
  BIT(1)
  BIT(0)
#undef BIT
  if (bits > 5) /* below -32 TFLite gives 0 */
    result = vpselq_s16(vdupq_n_s16(0), result, vcmpltq_n_s16(a, (int16_t)-(1 << (20 - bits))));
  return result;
}

/* 1 / ((1 + e) / 2) of e as Q0.15, as Q2.13. */
static inline int16x8_t reciprocal_of_half_sum(int16x8_t e) {
  int16x8_t half = vaddq_n_s16(vshrq_n_s16(e, 1), 1 << 14);
  int16x8_t x = vaddq_n_s16(vqrdmulhq_n_s16(half, -15420), 23130);
  for (int i = 0; i < 3; i++) {
    int16x8_t error = vsubq_s16(vdupq_n_s16(1 << 13), vqrdmulhq_s16(half, x));
    x = vaddq_s16(x, vqshlq_n_s16(vqrdmulhq_s16(x, error), 2));
  }
  return x;
}

/* -|x|; -32768 stays. */
static inline int16x8_t minus_abs(int16x8_t x) { return vminq_s16(x, vqnegq_s16(x)); }

static __attribute__((noinline)) int16x8_t logistic(int16x8_t x) {
  int16x8_t y = vqshlq_n_s16(reciprocal_of_half_sum(exp_negative(minus_abs(x), 3)), 1);
  y = choose_above(y, x, vsubq_s16(vdupq_n_s16(ONE), y));
  return choose_nonzero(y, x, vdupq_n_s16(1 << 14));
}

static __attribute__((noinline)) int16x8_t hyperbolic(int16x8_t x, int32_t integer_bits) {
  int16x8_t y = reciprocal_of_half_sum(exp_negative(minus_abs(x), integer_bits + 1));
  y = vqshlq_n_s16(vsubq_n_s16(y, 1 << 13), 2);
  y = choose_above(y, x, vnegq_s16(y));
  return choose_nonzero(y, x, vdupq_n_s16(0));
}

/* a * b / 2^right, ties away from zero, its low 16 bits. */
static inline int16x8_t scaled_product(int16x8_t a, int16x8_t b, int32_t right) {
  int32x4_t even = edge_rounding_shift4_n(vmullbq_int_s16(a, b), -right);
  int32x4_t odd = edge_rounding_shift4_n(vmulltq_int_s16(a, b), -right);
  return vmovntq_s32(vmovnbq_s32(vdupq_n_s16(0), even), odd);
}

static inline int32x4_t hidden_of(const edge_op_lstm_t *op, int32x4_t product) {
  int32x4_t h = edge_rescale4(product, op->hidden_multiplier, op->hidden_shift);
  return vaddq_n_s32(h, op->hidden_zero_point);
}

void edge_lstm_update(const edge_op_lstm_t *op, int16_t *const gates[4], uint32_t count,
                      int16_t *cell, int8_t *hidden) {
  int32_t fraction = (int32_t)op->cell_fraction;
  for (uint32_t k = 0; k < count; k += 8) {
    mve_pred16_t active = vctp16q(count - k);
    int16x8_t kept = logistic(vldrhq_z_s16(gates[1] + k, active));
    kept = scaled_product(kept, vldrhq_z_s16(cell + k, active), 15);
    int16x8_t added = hyperbolic(vldrhq_z_s16(gates[2] + k, active), 3);
    added = scaled_product(logistic(vldrhq_z_s16(gates[0] + k, active)), added, 30 - fraction);
    int16x8_t c = vqaddq_s16(kept, added);
    if (op->cell_clip > 0) {
      c = vminq_s16(c, vdupq_n_s16((int16_t)op->cell_clip));
      c = vmaxq_s16(c, vdupq_n_s16((int16_t)-op->cell_clip));
    }
    vstrhq_p_s16(cell + k, c, active);
    int16x8_t t = hyperbolic(c, 15 - fraction);
    int16x8_t out = logistic(vldrhq_z_s16(gates[3] + k, active));
    int16x8_t h = vqmovnbq_s32(vdupq_n_s16(0), hidden_of(op, vmullbq_int_s16(out, t)));
    h = vqmovntq_s32(h, hidden_of(op, vmulltq_int_s16(out, t)));
    h = vminq_s16(vmaxq_s16(h, vdupq_n_s16(-128)), vdupq_n_s16(127));
    vstrbq_p_s16(hidden + k, h, active);
  }
}
#endif
