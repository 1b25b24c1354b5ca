/* Panels of 4x4 tiles by the DSP extension: two words of widened x for four words of weights. */
#include <string.h>

#include "matrix.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

#define ROW(sum, word)                                                                             \
  "sxtb16 %[t], " word "\n smlad " sum ", %[t], %[x0], " sum "\n"                                  \
  "sxtb16 %[t], " word ", ror #8\n smlad " sum ", %[t], %[x1], " sum "\n"
#define FOUR_ROWS                                                                                  \
  "ldrd %[w0], %[w1], [%[w]], #8\n" ROW("%[a]", "%[w0]")                                           \
      ROW("%[b]", "%[w1]") "ldrd %[w0], %[w1], [%[w]], #8\n" ROW("%[c]", "%[w0]")                  \
          ROW("%[d]", "%[w1]")
#define NEXT_X "ldrd %[x0], %[x1], [%[x]], #8\n"

#define OUTPUTS                                                                                    \
  [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [w] "+r"(w), [w0] "=&r"(w0), [w1] "=&r"(w1), \
      [x0] "=&r"(x0), [x1] "=&r"(x1), [t] "=&r"(t)

#define SPREAD_X                                                                                   \
  "ldrh %[t], [%[column]], #2\n add %[t], %[x], %[t], lsl #3\n ldrd %[x0], %[x1], [%[t]]\n"

/* Sums of a panel from `w` to `end`; returns `end`. */
static inline const uint8_t *side_by_side(const int16_t *x, const uint8_t *w, uint32_t tiles,
                                          const int32_t *bias, int32_t *sums) {
  int32_t a = bias[0];
  int32_t b = bias[1];
  int32_t c = bias[2];
  int32_t d = bias[3];
  uint32_t w0, w1, x0, x1, t;
  const uint8_t *end = w + 16 * tiles;
  for (; tiles % 4 != 0; tiles--)
    __asm__ volatile(NEXT_X FOUR_ROWS : OUTPUTS, [x] "+r"(x) : : "memory");
  if (tiles > 0)
    __asm__ volatile("1:\n" NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS
                     "cmp %[w], %[end]\n"
                     "bne 1b\n"
                     : OUTPUTS, [x] "+r"(x)
                     : [end] "r"(end)
                     : "cc", "memory");
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
  return end;
}

static inline const uint8_t *scattered(const int16_t *x, const uint8_t *w, uint32_t tiles,
                                       const uint16_t *column, const int32_t *bias, int32_t *sums) {
  int32_t a = bias[0];
  int32_t b = bias[1];
  int32_t c = bias[2];
  int32_t d = bias[3];
  uint32_t w0, w1, x0, x1, t;
  const uint8_t *end = w + 16 * tiles;
  if (tiles % 2 != 0)
    __asm__ volatile(SPREAD_X FOUR_ROWS : OUTPUTS, [column] "+r"(column) : [x] "r"(x) : "memory");
  if (w != end)
    __asm__ volatile("1:\n" SPREAD_X FOUR_ROWS SPREAD_X FOUR_ROWS "cmp %[w], %[end]\n"
                     "bne 1b\n"
                     : OUTPUTS, [column] "+r"(column)
                     : [x] "r"(x), [end] "r"(end)
                     : "cc", "memory");
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
  return end;
}

static __attribute__((noinline)) void int8_weights(const edge_matrix_t *m, const int16_t *x,
                                                   const edge_block_t *block) {
  const int32_t *bias = block->bias;
  int32_t *sums = block->sums;
  uint32_t start = edge_panel_start(m, block->first);
  const uint8_t *w = m->weights + 16 * start;
  for (uint32_t p = block->first; p < block->first + block->panels; p++, bias += 4, sums += 4) {
    if (m->starts == NULL) {
      w = side_by_side(x, w, m->chunks, bias, sums);
    } else {
      uint32_t end = m->starts[p + 1];
      w = scattered(x, w, end - start, m->columns + start, bias, sums);
      start = end;
    }
  }
}

static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}

/* The 2 * width bytes of a piece as bits; the pairs of row r begin at bit 4 * width * r. */
static inline uint64_t piece(const uint8_t *tile, uint32_t width) {
  uint64_t bits = 0;
  memcpy(&bits, tile, 2 * width);
  return bits;
}

static inline __attribute__((always_inline)) void palettised(const edge_matrix_t *m,
                                                             const int16_t *x,
                                                             const edge_block_t *block,
                                                             uint32_t width, bool extra) {
  const uint32_t *pairs = (const uint32_t *)m->palette;
  const uint32_t mask = (1u << 2 * width) - 1;
  const int32_t *bias = block->bias;
  int32_t *out = block->sums;
  for (uint32_t p = block->first; p < block->first + block->panels; p++, bias += 4, out += 4) {
    uint32_t start = edge_panel_start(m, p);
    uint32_t end = edge_panel_start(m, p + 1);
    const uint8_t *tile = m->weights + start * m->tile_bytes;
    int32_t sums[4] = {bias[0], bias[1], bias[2], bias[3]};
    for (uint32_t i = start; i < end; i++, tile += m->tile_bytes) {
      const uint32_t *at =
          (const uint32_t *)(const void *)(x + 4 * (m->columns ? m->columns[i] : i - start));
      uint32_t x0 = at[0];
      uint32_t x1 = at[1];
      uint64_t low = piece(tile, width);
      uint32_t high = extra ? (uint32_t)piece(tile + 2 * width, 1) : 0;
      for (uint32_t r = 0; r < 4; r++) {
        uint32_t both = (uint32_t)(low >> 4 * width * r);
        uint32_t p0 = both & mask;
        uint32_t p1 = both >> 2 * width & mask;
        if (extra) {
          p0 |= (high >> 4 * r & 3u) << 2 * width;
          p1 |= (high >> (4 * r + 2) & 3u) << 2 * width;
        }
        sums[r] = smlad(pairs[p0], x0, sums[r]);
        sums[r] = smlad(pairs[p1], x1, sums[r]);
      }
    }
    for (uint32_t r = 0; r < 4; r++)
      out[r] = sums[r];
  }
}

static __attribute__((noinline)) void palette4(const edge_matrix_t *m, const int16_t *x,
                                               const edge_block_t *block) {
  palettised(m, x, block, 4, false);
}

/* Indices of 1, 2, 3 or 5 bits. */
EDGE_RARE static void palette(const edge_matrix_t *m, const int16_t *x, const edge_block_t *block) {
  uint32_t width = m->bits == 1 ? 1 : m->bits & 6u;
  palettised(m, x, block, width, m->bits > width);
}

void edge_block_dsp(const edge_matrix_t *m, const int16_t *x, const edge_block_t *block) {
  if (m->bits == 4)
    palette4(m, x, block);
  else if (m->bits > 0)
    palette(m, x, block);
  else
    int8_weights(m, x, block);
}
#endif
