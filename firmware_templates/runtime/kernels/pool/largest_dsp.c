/* Maxima by the DSP extension, eight or four at a time; the last of a pixel overlap those before.
 */
#include "../fixed_point.h"
#include "../words_dsp.h"
#include "largest.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

/* `bytes` channels, 1, 4 or 8, of which one is done by a word's first byte. */
static inline __attribute__((always_inline)) void some(const edge_op_pool_t *op, const int8_t *at,
                                                       const edge_area_t *area, uint32_t bytes,
                                                       int8_t *out) {
  uint32_t first = 0x1010101u * (uint8_t)op->low, second = first;
  for (uint32_t y = area->rows; y > 0; y--, at += area->row_step) {
    const int8_t *pixel = at;
    for (uint32_t x = area->columns; x > 0; x--, pixel += area->column_step) {
      first = edge_larger(first, bytes == 1 ? (uint8_t)*pixel : edge_word_at(pixel), false);
      if (bytes == 8)
        second = edge_larger(second, edge_word_at(pixel + 4), false);
    }
  }
  const uint32_t high = 0x1010101u * (uint8_t)op->high;
  const uint32_t best[2] = {edge_smaller(first, high, false), edge_smaller(second, high, false)};
  memcpy(out, best, bytes);
}

void edge_largest(const edge_op_pool_t *op, const int8_t *at, const edge_area_t *area,
                  int8_t *out) {
  const uint32_t channels = op->channels;
  if (channels >= 8) {
    for (uint32_t from = 0; from < channels; from += 8) {
      uint32_t channel = from < channels - 8 ? from : channels - 8;
      some(op, at + channel, area, 8, out + channel);
    }
  } else if (channels >= 4) {
    some(op, at, area, 4, out);
    some(op, at + channels - 4, area, 4, out + channels - 4);
  } else {
    for (uint32_t channel = 0; channel < channels; channel++)
      some(op, at + channel, area, 1, out + channel);
  }
}

#endif
