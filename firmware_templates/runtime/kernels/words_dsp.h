/* Words of four bytes or two halfwords by the DSP extension. */
#ifndef EDGE_KERNELS_WORDS_DSP_H
#define EDGE_KERNELS_WORDS_DSP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* Where GE was set by the last SSUB8 or SSUB16: the bytes of a, else those of b. */
#define EDGE_EXTREME(width, first, second)                                                         \
  __asm__("ssub" width " %0, %1, %2\n sel %0, " first ", " second                                  \
          : "=&r"(result)                                                                          \
          : "r"(a), "r"(b)                                                                         \
          : "cc")

static inline uint32_t edge_larger(uint32_t a, uint32_t b, bool wide) {
  uint32_t result;
  if (wide)
    EDGE_EXTREME("16", "%1", "%2");
  else
    EDGE_EXTREME("8", "%1", "%2");
  return result;
}

static inline uint32_t edge_smaller(uint32_t a, uint32_t b, bool wide) {
  uint32_t result;
  if (wide)
    EDGE_EXTREME("16", "%2", "%1");
  else
    EDGE_EXTREME("8", "%2", "%1");
  return result;
}

static inline uint32_t edge_word_at(const void *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

/* int8 or int16 in every lane of a word. */
static inline uint32_t edge_in_lanes(int32_t value, bool wide) {
  return wide ? 0x10001u * (uint16_t)value : 0x1010101u * (uint8_t)value;
}

/* The largest of int8 or int16 in `bytes` > 0; those at the end may count twice. */
static inline int32_t edge_largest_of(const void *data, uint32_t bytes, bool wide) {
  const uint8_t *at = (const uint8_t *)data;
  uint32_t most = edge_in_lanes(wide ? *(const int16_t *)data : *(const int8_t *)data, wide);
  if (bytes < 4) {
    uint32_t word = most;
    memcpy(&word, at, bytes);
    most = edge_larger(most, word, wide);
  } else {
    const uint8_t *last = at + bytes - 4;
    for (; at < last; at += 4)
      most = edge_larger(most, edge_word_at(at), wide);
    most = edge_larger(most, edge_word_at(last), wide);
  }
  most = edge_larger(most, most >> 16, wide);
  return wide ? (int16_t)most : (int8_t)edge_larger(most, most >> 8, false);
}

/* Sum of the products of both halfwords, and c. */
static inline int32_t edge_smlad(uint32_t a, uint32_t b, int32_t c) {
  int32_t result;
  __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}

#endif
#endif
