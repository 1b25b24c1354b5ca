/* The larger or the smaller of signed bytes or halves, a word at a time: SSUB8 and SEL. */
#ifndef EDGE_KERNELS_EXTREME_DSP_H
#define EDGE_KERNELS_EXTREME_DSP_H

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

#endif
#endif
