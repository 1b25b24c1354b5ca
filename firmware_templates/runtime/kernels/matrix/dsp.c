/* Panels of 4x4 tiles by the DSP extension: two words of widened x for four words of weights. */
#include <string.h>

#include "../words_dsp.h"
#include "matrix.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

#define SUMS "{r4, r5, r6, r8}"
#define ROW(sum, word)                                                                             \
  "sxtb16 r12, " word "\n smlad " sum ", r12, r9, " sum "\n"                                       \
  "sxtb16 r12, " word ", ror #8\n smlad " sum ", r12, r10, " sum "\n"
#define FOUR_ROWS                                                                                  \
  "ldrd r0, r1, [%[w]], #8\n" ROW("r4", "r0")                                                      \
      ROW("r5", "r1") "ldrd r0, r1, [%[w]], #8\n" ROW("r6", "r0") ROW("r8", "r1")
#define CLOBBERED "r0", "r1", "r4", "r5", "r6", "r8", "r9", "r10", "cc", "memory"
#define NEXT_X "ldrd r9, r10, [%[x]], #8\n"
#define COLUMN_X "ldrh r12, [%[column]], #2\n add r12, %[x], r12, lsl #3\n ldrd r9, r10, [r12]\n"

/* Tiles four by four, odd ones first. */
static __attribute__((noinline)) void side_by_side(const edge_matrix_t *m, const int16_t *vector,
                                                   const edge_block_t *block) {
  const int32_t *bias = block->bias;
  const int32_t *end = bias + 4 * block->panels;
  int32_t *sums = block->sums;
  const uint8_t *weights = m->weights + 16 * block->first * m->chunks;
  do {
    const int16_t *x = vector;
    uint32_t left = m->chunks;
    __asm__ volatile(
        "ldm %[bias]!, " SUMS "\n"
        "b 2f\n"
        "1: sub %[left], #1\n" NEXT_X FOUR_ROWS "2: tst %[left], #3\n bne 1b\n"
        "lsrs %[left], #2\n beq 4f\n"
        "3:\n" NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS NEXT_X FOUR_ROWS
        "subs %[left], #1\n bne 3b\n"
        "4: stm %[sums]!, " SUMS "\n"
        : [x] "+r"(x), [w] "+r"(weights), [left] "+r"(left), [bias] "+r"(bias), [sums] "+r"(sums)
        :
        : CLOBBERED, "r12");
  } while (bias != end);
}

/* Tiles two by two, an odd one first. LDRD and SMLAD leave the flags of LSRS as they are. GCC finds
 * no place for six operands unless it is told. */
static __attribute__((noinline)) void scattered(const edge_matrix_t *m, const int16_t *vector,
                                                const edge_block_t *block) {
  const uint32_t *starts = m->starts + block->first;
  register const int16_t *x __asm__("r11") = vector;
  register const uint8_t *weights __asm__("r2") = m->weights + 16 * starts[0];
  register const uint16_t *column __asm__("r3") = m->columns + starts[0];
  const int32_t *bias = block->bias;
  const int32_t *end = bias + 4 * block->panels;
  int32_t *out = block->sums;
  do {
    register const int32_t *at __asm__("r12") = bias; /* then what FOUR_ROWS needs */
    register uint32_t left __asm__("r7") = starts[1] - starts[0];
    register int32_t *sums __asm__("lr") = out;
    __asm__ volatile("ldm %[at], " SUMS "\n"
                     "lsrs %[left], #1\n"
                     "bcc 1f\n" COLUMN_X FOUR_ROWS "1: beq 3f\n"
                     "2:\n" COLUMN_X FOUR_ROWS COLUMN_X FOUR_ROWS "subs %[left], #1\n"
                     "bne 2b\n"
                     "3: stm %[sums], " SUMS "\n"
                     : [at] "+r"(at), [w] "+r"(weights), [left] "+r"(left), [column] "+r"(column)
                     : [x] "r"(x), [sums] "r"(sums)
                     : CLOBBERED);
    bias += 4;
    out += 4;
    starts++;
  } while (bias != end);
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
        sums[r] = edge_smlad(pairs[p0], x0, sums[r]);
        sums[r] = edge_smlad(pairs[p1], x1, sums[r]);
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
  else if (m->starts)
    scattered(m, x, block);
  else
    side_by_side(m, x, block);
}
#endif
