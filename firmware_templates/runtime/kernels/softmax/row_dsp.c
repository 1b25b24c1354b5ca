/* Softmax of int8 rows by the DSP extension: four differences from the maximum by one SSUB8; terms,
 * none of which is negative, round by one addition. */
#include "row.h"

#include "../words_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* a - b byte by byte; of a maximum and what is not larger, as unsigned numbers. */
static inline uint32_t differences(uint32_t a, uint32_t b) {
  uint32_t result;
  __asm__("ssub8 %0, %1, %2" : "=r"(result) : "r"(a), "r"(b) : "cc");
  return result;
}

/* As Q12.19. */
static inline uint32_t term(const uint32_t *exps, uint32_t difference) {
  return (exps[difference & 255u] + (1u << 11)) >> 12;
}

/* An output + 128: both roundings are added to the product's 64 bits. */
static inline uint32_t output(const edge_softmax_scale_t *scale, const uint32_t *exps,
                              uint32_t difference) {
  uint32_t low = 1u << 30;
  int32_t high = 1 << (scale->right - 2);
  __asm__("smlal %0, %1, %2, %3"
          : "+r"(low), "+r"(high)
          : "r"(exps[difference & 255u]), "r"(scale->multiplier));
  __asm__("usat %0, #8, %1" : "=r"(low) : "r"(high >> (scale->right - 1)));
  return low;
}

void edge_softmax_s8_row(const int8_t *in, int8_t *out, uint32_t depth, const int32_t *table) {
  const uint32_t *exps = (const uint32_t *)table;
  const uint32_t best = edge_in_lanes(edge_largest_of(in, depth, false), false);
  const int8_t *end = in + depth, *last = end - depth % 4, *at = in;
  uint32_t sum = 0;
  for (; at != last; at += 4) {
    uint32_t four = differences(best, edge_word_at(at));
    sum += term(exps, four);
    sum += term(exps, four >> 8);
    sum += term(exps, four >> 16);
    sum += term(exps, four >> 24);
  }
  for (; at != end; at++)
    sum += term(exps, best - (uint32_t)*at);
  const edge_softmax_scale_t scale = edge_softmax_scale_of(sum);
  for (at = in; at != last; at += 4, out += 4) {
    uint32_t four = differences(best, edge_word_at(at));
    uint32_t word = output(&scale, exps, four);
    word |= output(&scale, exps, four >> 8) << 8;
    word |= output(&scale, exps, four >> 16) << 16;
    word |= output(&scale, exps, four >> 24) << 24;
    word ^= 0x80808080u;
    memcpy(out, &word, 4);
  }
  for (; at != end; at++, out++)
    *out = (int8_t)(output(&scale, exps, best - (uint32_t)*at) ^ 0x80u);
}

#endif
