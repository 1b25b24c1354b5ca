/* Sums over pixels by the DSP extension: SXTAB16 adds two of a word's four bytes to two sums of
 * 16 bits, which go over into 32 bits before they could overflow. */
#include "../words_dsp.h"
#include "sums.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* Bytes 0 and 2 of a word to the halves of a sum, or with `turn` of 8, bytes 1 and 3. */
#define ADD(sum, word, turn) __asm__("sxtab16 %0, %0, %1, ror #" turn : "+r"(sum) : "r"(word))
#define ADD_EVEN(sum, word) __asm__("sxtab16 %0, %0, %1" : "+r"(sum) : "r"(word))

/* Channels k and k + 2 out of the halves of their sums. */
static inline void carry(int32_t *sums, uint32_t *halves) {
  sums[0] += (int16_t)*halves;
  sums[2] += (int32_t)*halves >> 16;
  *halves = 0;
}

static void eight(const int8_t *at, const edge_area_t *area, int32_t sums[EDGE_SUMS]) {
  uint32_t even0 = 0, odd0 = 0, even4 = 0, odd4 = 0;
  uint32_t room = EDGE_SUM_PIXELS;
  const uint32_t step = area->column_step;
  for (uint32_t y = 0; y < area->rows; y++, at += area->row_step) {
    const int8_t *pixel = at;
    for (uint32_t left = area->columns; left > 0;) {
      uint32_t now = left < room ? left : room;
      left -= now;
      room -= now;
      for (; now > 0; now--, pixel += step) {
        uint32_t first = edge_word_at(pixel), second = edge_word_at(pixel + 4);
        ADD_EVEN(even0, first);
        ADD(odd0, first, "8");
        ADD_EVEN(even4, second);
        ADD(odd4, second, "8");
      }
      if (room == 0 || (left == 0 && y + 1 == area->rows)) {
        carry(sums, &even0);
        carry(sums + 1, &odd0);
        carry(sums + 4, &even4);
        carry(sums + 5, &odd4);
        room = EDGE_SUM_PIXELS;
      }
    }
  }
}

static int32_t one(const int8_t *at, const edge_area_t *area) {
  int32_t sum = 0;
  for (uint32_t y = 0; y < area->rows; y++, at += area->row_step) {
    const int8_t *pixel = at;
    for (uint32_t x = area->columns; x > 0; x--, pixel += area->column_step)
      sum += *pixel;
  }
  return sum;
}

void edge_sums(const int8_t *at, const edge_area_t *area, uint32_t count, int32_t start,
               int32_t sums[EDGE_SUMS]) {
  for (uint32_t k = 0; k < count; k++)
    sums[k] = start;
  if (count == EDGE_SUMS) {
    eight(at, area, sums);
    return;
  }
  for (uint32_t k = 0; k < count; k++)
    sums[k] += one(at + k, area);
}

#endif
