/* Scores of logits in fixed point: log softmax, and sums of probabilities that are logarithms. */
#include <stddef.h>

#include "hypotheses.h"
#include "load.h"

#define LN2_Q32 2977044472u
#define ONE_Q24 (1u << 24)
#define GAIN_BITS 20u /* exp(-16) rounds to nothing */

uint32_t edge_search_argmax(const int8_t *logits, uint32_t count) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < count; i++) {
    if (logits[i] > logits[best]) {
      best = i;
    }
  }
  return best;
}

/* Natural logarithm of x / 2^24 in Q24, x from 2^24 to below 2^41. */
static uint64_t ln_q24(uint64_t x) {
  uint32_t whole = 0;
  while (x >> (25 + whole) != 0) {
    whole++;
  }
  uint32_t mantissa =
      (uint32_t)(whole <= 7 ? x << (7 - whole) : x >> (whole - 7)); /* Q31 in 1..2 */
  uint32_t log2_q24 = whole;
  for (int bit = 0; bit < 24; bit++) {
    /* Squaring doubles the logarithm; whether it reaches 1 is its next binary digit. */
    const uint64_t square = (uint64_t)mantissa * mantissa >> 31;
    const uint32_t digit = (uint32_t)(square >> 32);
    mantissa = digit != 0 ? (uint32_t)(square >> 1) : (uint32_t)square;
    log2_q24 = log2_q24 << 1 | digit;
  }
  return ((uint64_t)log2_q24 * LN2_Q32 + (1u << 31)) >> 32;
}

uint64_t edge_search_ln_sum(const edge_search_t *s, const int8_t *logits, int32_t best) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < s->vocab; i++) {
    sum += edge_load_u32(s->exp_q24 + 4 * (best - logits[i]));
  }
  return ln_q24(sum);
}

int32_t edge_search_score(const edge_search_t *s, uint32_t distance, uint64_t ln_sum_q24) {
  const uint64_t rounded = ((uint64_t)distance * s->logit_scale_q24 + ln_sum_q24 + 128) >> 8;
  return rounded > INT32_MAX ? -INT32_MAX : -(int32_t)rounded;
}

int32_t edge_search_logprob(const edge_search_t *s, const int8_t *logits, uint32_t token) {
  const int32_t best = logits[edge_search_argmax(logits, s->vocab)];
  return edge_search_score(s, (uint32_t)(best - logits[token]),
                           edge_search_ln_sum(s, logits, best));
}

int32_t edge_search_gain(uint64_t distance_q16) {
  /* exp(-2^(i - 16)) in Q32: the exponential of a number is the product over its bits. */
  static const uint32_t factors[GAIN_BITS] = {
      4294901760u, 4294836226u, 4294705160u, 4294443040u, 4293918848u, 4292870656u, 4290775039u,
      4286586875u, 4278222805u, 4261543595u, 4228380000u, 4162825044u, 4034748382u, 3790295335u,
      3344923893u, 2605029347u, 1580030169u, 581260615u,  78665070u,   1440801u,
  };
  if (distance_q16 >> GAIN_BITS != 0) {
    return 0;
  }
  uint64_t exp_q32 = 1ull << 32;
  for (uint32_t i = 0; i < GAIN_BITS; i++) {
    if ((distance_q16 >> i & 1) != 0) {
      exp_q32 = exp_q32 * factors[i] >> 32;
    }
  }
  return (int32_t)((ln_q24(ONE_Q24 + ((exp_q32 + 128) >> 8)) + 128) >> 8);
}
