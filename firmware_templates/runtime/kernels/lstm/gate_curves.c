/* exp(-a) by a barrel of constants and a short polynomial, 1 / (1 + e) by three Newton steps: the
 * arithmetic that TFLite takes from the gemmlowp fixed-point library, in int16. Where TFLite
 * saturates a value that never leaves int16, nothing is done here (every input was compared). */
#include "gate_curves.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE) /* rows_dsp.c, rows_mve.c */

#define ONE 32767 /* 1.0 as Q0.15 */

/* 1/2 in units of a product's last place, in a register: then it is added as the product is made,
 * where the compiler would rather add a constant. */
static inline int32_t half_place(void) {
  int32_t half = 1 << 14;
  __asm__("" : "+r"(half));
  return half;
}

/* round(a * b / 2^15). */
static inline int32_t mul(int32_t a, int32_t b, int32_t half) { return (a * b + half) >> 15; }

/* exp of Q0.15 in [-1/4, 0): Taylor's series around -1/8. */
static inline int32_t exp_near_zero(int32_t a, int32_t half) {
  const int32_t exp_minus_eighth = 28918;
  const int32_t third = 10923;
  int32_t x = a + (1 << 12);
  int32_t x2 = mul(x, x, half);
  int32_t x3 = mul(x2, x, half);
  int32_t x4 = mul(x2, x2, half);
  int32_t tail = (mul(((x4 + 2) >> 2) + x3, third, half) + x2 + 1) >> 1;
  return exp_minus_eighth + mul(exp_minus_eighth, x + tail, half);
}

/* exp of a < 0 with `integer_bits` (1 to 7) integer bits, as Q0.15. Its fraction below 1/4 goes
 * through the series; each bit of the rest of -a, which is clear in a, multiplies by one more
 * constant, of which `most` can count. */
static inline int32_t exp_negative(int32_t a, uint32_t integer_bits, uint32_t most, int32_t half) {
  /* exp(-2^k) for k = -2 .. 4 as Q0.15 */
  static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
  int32_t x = (int32_t)((uint32_t)a << integer_bits);
  int32_t result = exp_near_zero(x | -0x2000, half);
  for (uint32_t k = 0; k < most; k++) {
    if (!(x & 0x2000 << k))
      result = mul(result, factors[k], half);
  }
  /* Below -32 TFLite gives 0. */
  return x < -(1 << 20) ? 0 : result;
}

/* 1 / ((1 + e) / 2) of e as Q0.15, as Q2.13. */
static inline int32_t reciprocal_of_half_sum(int32_t e, int32_t half) {
  const int32_t c48_17 = 23130;
  const int32_t c32_17 = -15420;
  const int32_t one = 1 << 13;
  int32_t d = (e + ONE + 1) >> 1;
  int32_t x = c48_17 + mul(d, c32_17, half);
  for (int i = 0; i < 3; i++)
    x += mul(x, one - mul(d, x, half), half) * 4;
  return x;
}

static inline int32_t capped(int32_t x) { return x > ONE ? ONE : x; }

int16_t edge_gate_logistic(int16_t x) {
  if (x == 0)
    return 1 << 14;
  int32_t half = half_place();
  int32_t e = exp_negative(x > 0 ? -x : x, 3, 5, half);
  int32_t positive = capped(reciprocal_of_half_sum(e, half) * 2);
  return (int16_t)(x > 0 ? positive : ONE - positive);
}

int16_t edge_gate_tanh(int16_t x, uint32_t integer_bits) {
  if (x == 0)
    return 0;
  int32_t half = half_place();
  int32_t e = exp_negative(x > 0 ? -x : x, integer_bits + 1, 7, half);
  int32_t t = capped((reciprocal_of_half_sum(e, half) - (1 << 13)) * 4);
  return (int16_t)(x > 0 ? t : -t);
}

#endif
