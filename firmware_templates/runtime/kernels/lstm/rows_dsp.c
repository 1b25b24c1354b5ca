/* Gates and cells of the LSTM by the DSP extension: gate_curves.c with its products in SMMULR,
 * which gives (a * b + 2^31) / 2^32. One factor is therefore held 2^17 times too large, or both
 * share these bits. */
#include "packed.h"

#include <string.h>

#include "../fixed_point.h"
#include "../rescale_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* Scales of 1/2 and more: rare, small. */
EDGE_RARE static __attribute__((noinline)) int32_t scaled(int32_t x, int32_t multiplier,
                                                          int32_t shift) {
  return edge_rescale(x, multiplier, shift);
}

void edge_lstm_gate(int16_t *gate, const int32_t *sums, uint32_t count, int32_t multiplier,
                    int32_t shift, bool first) {
  const edge_wide_down_t by = edge_wide_down_of(multiplier, shift < 0 ? shift : -1, 0);
  const int32_t *end = sums + count;
  if (first)
    memset(gate, 0, 2 * count);
  for (; shift < 0 && sums != end; sums++, gate++)
    *gate = (int16_t)edge_ssat(*gate + edge_scale_wide(&by, *sums), true);
  for (; sums != end; sums++, gate++)
    *gate =
        (int16_t)edge_clamp(edge_wrap_add(scaled(*sums, multiplier, shift), *gate), -32768, 32767);
}

/* result * factor where a bit of x is clear; a factor of Q0.15 as Q0.32, and the larger ones,
 * which have their sign bit set there, as what is to be taken away. */
#define MULTIPLY_WHERE_CLEAR(result, x, bit, factor)                                               \
  __asm__("tst %1, %2\n it eq\n smmulreq %0, %0, %3"                                               \
          : "+r"(result)                                                                           \
          : "r"(x), "I"(bit), "r"((factor) * (1 << 17))                                            \
          : "cc")
#define TAKE_AWAY_WHERE_CLEAR(result, x, bit, factor)                                              \
  __asm__("tst %1, %2\n it eq\n smmlareq %0, %0, %3, %0"                                           \
          : "+r"(result)                                                                           \
          : "r"(x), "I"(bit), "r"(((factor) - (1 << 15)) * (1 << 17))                              \
          : "cc")

/* exp(-1), exp(-2) ... of the whole numbers in -x, which stays below 8 where it is `narrow`. */
static inline int32_t times_whole(int32_t result, int32_t x, bool narrow) {
  MULTIPLY_WHERE_CLEAR(result, x, 1 << 15, 12055);
  MULTIPLY_WHERE_CLEAR(result, x, 1 << 16, 4435);
  MULTIPLY_WHERE_CLEAR(result, x, 1 << 17, 600);
  if (narrow)
    return result;
  MULTIPLY_WHERE_CLEAR(result, x, 1 << 18, 11);
  /* exp(-16) is 0 here, and below -32 TFLite gives 0. */
  return x < -(1 << 19) ? 0 : result;
}

/* A constant in a register, which shifted operands can be added to. */
static inline int32_t in_register(int32_t value) {
  __asm__("" : "+r"(value));
  return value;
}

/* exp of x < 0 as Q.15, as Q0.15. */
static inline int32_t exp_negative(int32_t x, bool narrow) {
  const int32_t exp_minus_eighth = 28918;
  int32_t near = (x & 0x1fff) - 0x1000;
  int32_t large = near << 17;
  int32_t x2 = edge_smmulr(near, large);
  int32_t x3 = edge_smmulr(x2, large);
  int32_t sum = x3 + ((x2 * x2 + (1 << 14) + (1 << 16)) >> 17); /* a quarter of x4, rounded */
  near += edge_smmlar(sum, 10923 << 17, x2 + 1) >> 1;
  int32_t result = edge_smmlar(near << 17, exp_minus_eighth, exp_minus_eighth);
  TAKE_AWAY_WHERE_CLEAR(result, x, 1 << 13, 25520);
  TAKE_AWAY_WHERE_CLEAR(result, x, 1 << 14, 19875);
  return x < -(1 << 15) ? times_whole(result, x, narrow) : result;
}

/* Twice 1 / ((1 + e) / 2) of e as Q0.15, as Q2.13; `one` is 2^29. */
static inline int32_t reciprocal_of_half_sum(int32_t e, int32_t one) {
  int32_t half = 2 * one + (e >> 1 << 16);
  int32_t twice = 2 * edge_smmlar(half, -2 * 15420, 23130);
  for (int i = 0; i < 3; i++) {
    int32_t error = one - (edge_smmulr(half, twice) << 16);
    twice += edge_smmulr(twice, error) * 8;
  }
  return twice;
}

static inline int32_t exp_of_minus_size(int32_t x, uint32_t integer_bits, bool narrow) {
  int32_t minus_size = x > 0 ? -x : x;
  return exp_negative((int32_t)((uint32_t)minus_size << integer_bits), narrow);
}

/* In place, as the rest here: logistic of Q3.12. */
static __attribute__((noinline)) void logistic(int16_t *x, uint32_t count) {
  const int32_t one = in_register(1 << 29);
  for (const int16_t *end = x + count; x != end; x++) {
    int32_t given = *x;
    int32_t e = exp_of_minus_size(given, 3, true);
    int32_t y = edge_ssat(reciprocal_of_half_sum(e, one), true);
    y = given < 0 ? 32767 - y : y;
    *x = (int16_t)(given == 0 ? 1 << 14 : y);
  }
}

static __attribute__((noinline)) void hyperbolic(int16_t *x, uint32_t count,
                                                 uint32_t integer_bits) {
  const int32_t one = in_register(1 << 29);
  for (const int16_t *end = x + count; x != end; x++) {
    int32_t given = *x;
    int32_t e = exp_of_minus_size(given, integer_bits + 1, false);
    int32_t y = edge_ssat(2 * reciprocal_of_half_sum(e, one) - (1 << 15), true);
    y = given < 0 ? -y : y;
    *x = (int16_t)(given == 0 ? 0 : y);
  }
}

void edge_lstm_update(const edge_op_lstm_t *op, int16_t *const gates[4], uint32_t count,
                      int16_t *cell, int8_t *hidden) {
  const int16_t *in = gates[0], *forget = gates[1], *out = gates[3];
  int16_t *candidate = gates[2];
  const uint32_t right = 30 - op->cell_fraction;
  logistic(gates[0], count);
  logistic(gates[1], count);
  hyperbolic(candidate, count, 3);
  logistic(gates[3], count);
  for (uint32_t k = 0; k < count; k++) {
    int16_t kept = (int16_t)edge_rounding_shift(forget[k] * cell[k], 15);
    int16_t added = (int16_t)edge_rounding_shift(in[k] * candidate[k], right);
    int32_t c = edge_ssat(kept + added, true);
    if (op->cell_clip > 0)
      c = edge_clamp(c, -op->cell_clip, op->cell_clip);
    cell[k] = (int16_t)c;
    candidate[k] = (int16_t)c;
  }
  hyperbolic(candidate, count, 15 - op->cell_fraction);
  const int32_t multiplier = op->hidden_multiplier, shift = op->hidden_shift;
  const edge_wide_down_t by = edge_wide_down_of(multiplier, shift < 0 ? shift : -1, 0);
  for (uint32_t k = 0; k < count; k++) {
    int32_t h = out[k] * candidate[k];
    h = shift < 0 ? edge_scale_wide(&by, h) : scaled(h, multiplier, shift);
    hidden[k] = (int8_t)edge_clamp(edge_wrap_add(h, op->hidden_zero_point), -128, 127);
  }
}

#endif
