/* Gates and cells of the LSTM with packed weights, by Helium: gate_curves.c in eight int16 lanes.
 * VQRDMULH is its product, VRHADD its half sum; where plain C cannot leave int16, lanes wrap. */
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

/* exp of a < 0 with `integer_bits` (1 to 7) integer bits, as Q0.15. */
static inline int16x8_t exp_negative(int16x8_t a, int32_t integer_bits) {
  static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
  int32_t fraction = 15 - integer_bits;
  int16_t quarter = (int16_t)(1 << (fraction - 2));
  int16x8_t part = vsubq_n_s16(vandq_s16(a, vdupq_n_s16((int16_t)(quarter - 1))), quarter);
  int16x8_t result = exp_near_zero(vqshlq_r_s16(part, integer_bits));
  int16x8_t remainder = vsubq_s16(part, a);
  for (int32_t k = 0; k < integer_bits + 2 && k < 7; k++) {
    int16x8_t bit = vandq_s16(remainder, vdupq_n_s16((int16_t)(quarter << k)));
    result = vqrdmulhq_m_n_s16(result, result, factors[k], vcmpneq_n_s16(bit, 0));
  }
  if (integer_bits > 5)
    result = vpselq_s16(vdupq_n_s16(0), result,
                        vcmpltq_n_s16(a, (int16_t) - (1 << (20 - integer_bits))));
  return result;
}

/* 1 / ((1 + e) / 2) of e as Q0.15, as Q2.13. */
static inline int16x8_t reciprocal_of_half_sum(int16x8_t e) {
  int16x8_t half = vrhaddq_s16(e, vdupq_n_s16(ONE));
  int16x8_t x = vaddq_n_s16(vqrdmulhq_n_s16(half, -15420), 23130);
  for (int i = 0; i < 3; i++) {
    int16x8_t error = vsubq_s16(vdupq_n_s16(1 << 13), vqrdmulhq_s16(half, x));
    x = vaddq_s16(x, vqshlq_n_s16(vqrdmulhq_s16(x, error), 2));
  }
  return x;
}

/* -|x|; -32768 stays. */
static inline int16x8_t minus_abs(int16x8_t x) { return vminq_s16(x, vqnegq_s16(x)); }

static inline int16x8_t logistic(int16x8_t x) {
  int16x8_t y = vqshlq_n_s16(reciprocal_of_half_sum(exp_negative(minus_abs(x), 3)), 1);
  y = vpselq_s16(y, vsubq_s16(vdupq_n_s16(ONE), y), vcmpgtq_n_s16(x, 0));
  return vpselq_s16(vdupq_n_s16(1 << 14), y, vcmpeqq_n_s16(x, 0));
}

static inline int16x8_t hyperbolic(int16x8_t x, int32_t integer_bits) {
  int16x8_t y = reciprocal_of_half_sum(exp_negative(minus_abs(x), integer_bits + 1));
  y = vqshlq_n_s16(vsubq_n_s16(y, 1 << 13), 2);
  y = vpselq_s16(y, vnegq_s16(y), vcmpgtq_n_s16(x, 0));
  return vpselq_s16(vdupq_n_s16(0), y, vcmpeqq_n_s16(x, 0));
}

/* a * b / 2^right, ties away from zero, its low 16 bits. */
static inline int16x8_t scaled_product(int16x8_t a, int16x8_t b, int32_t right) {
  const int32x4_t by = vdupq_n_s32(-right);
  int16x8_t low = vmovnbq_s32(vdupq_n_s16(0), edge_rounding_shift4(vmullbq_int_s16(a, b), by));
  return vmovntq_s32(low, edge_rounding_shift4(vmulltq_int_s16(a, b), by));
}

static inline int32x4_t hidden_of(const edge_op_lstm_t *op, int32x4_t product) {
  int32x4_t h = edge_rescale4(product, op->hidden_multiplier, op->hidden_shift);
  h = vaddq_n_s32(h, op->hidden_zero_point);
  return vminq_s32(vmaxq_s32(h, vdupq_n_s32(-128)), vdupq_n_s32(127));
}

void edge_lstm_update(const edge_op_lstm_t *op, edge_gates_t gates, uint32_t count, int16_t *cell,
                      int8_t *hidden) {
  int32_t fraction = (int32_t)op->cell_fraction;
  for (uint32_t k = 0; k < count; k += 8) {
    mve_pred16_t active = vctp16q(count - k);
    int16x8_t kept = logistic(vldrhq_s16(&gates[1][k]));
    kept = scaled_product(kept, vldrhq_z_s16(cell + k, active), 15);
    int16x8_t added = hyperbolic(vldrhq_s16(&gates[2][k]), 3);
    added = scaled_product(logistic(vldrhq_s16(&gates[0][k])), added, 30 - fraction);
    int16x8_t c = vqaddq_s16(kept, added);
    if (op->cell_clip > 0) {
      c = vminq_s16(c, vdupq_n_s16((int16_t)op->cell_clip));
      c = vmaxq_s16(c, vdupq_n_s16((int16_t)-op->cell_clip));
    }
    vstrhq_p_s16(cell + k, c, active);
    int16x8_t t = hyperbolic(c, 15 - fraction);
    int16x8_t out = logistic(vldrhq_s16(&gates[3][k]));
    int16x8_t h = vmovnbq_s32(vdupq_n_s16(0), hidden_of(op, vmullbq_int_s16(out, t)));
    h = vmovntq_s32(h, hidden_of(op, vmulltq_int_s16(out, t)));
    vstrbq_p_s16(hidden + k, h, active);
  }
}
#endif
