/* Panels of 8x16 tiles by Helium: a vector of x for 8 vectors of weights, each accumulated into a
 * register of its own. The loops are assembly because GCC 12 neither post-increments nor keeps the
 * accumulators in the even registers that VMLADAVA takes. */
#include "matrix.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

#define SUMS "{r0, r2, r4, r6, r8, r10, r12, lr}"
#define EIGHT_ROWS                                                                                 \
  "vldrb.u8 q1, [%[w]], #16\n vldrb.u8 q2, [%[w]], #16\n"                                          \
  "vmladava.s8 r0, q0, q1\n vldrb.u8 q1, [%[w]], #16\n"                                            \
  "vmladava.s8 r2, q0, q2\n vldrb.u8 q2, [%[w]], #16\n"                                            \
  "vmladava.s8 r4, q0, q1\n vldrb.u8 q1, [%[w]], #16\n"                                            \
  "vmladava.s8 r6, q0, q2\n vldrb.u8 q2, [%[w]], #16\n"                                            \
  "vmladava.s8 r8, q0, q1\n vldrb.u8 q1, [%[w]], #16\n"                                            \
  "vmladava.s8 r10, q0, q2\n vldrb.u8 q2, [%[w]], #16\n"                                           \
  "vmladava.s8 r12, q0, q1\n vmladava.s8 lr, q0, q2\n"
#define CLOBBERED "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "cc", "memory"

/* Tiles two by two, an odd one first. VLDR and VMLADAVA leave the flags of LSRS as they are. */
#define EACH_TILE(load_x)                                                                          \
  "lsrs %[left], #1\n"                                                                             \
  "bcc 1f\n" load_x EIGHT_ROWS "1: beq 3f\n"                                                       \
  "2:\n" load_x EIGHT_ROWS load_x EIGHT_ROWS "subs %[left], #1\n"                                  \
  "bne 2b\n"                                                                                       \
  "3:\n"
#define NEXT_X "vldrb.u8 q0, [%[x]], #16\n"
#define COLUMN_X                                                                                   \
  "ldrh %[at], [%[column]], #2\n"                                                                  \
  "add %[at], %[x], %[at], lsl #4\n"                                                               \
  "vldrb.u8 q0, [%[at]]\n"

static __attribute__((noinline)) void side_by_side(const edge_matrix_t *m, const int8_t *vector,
                                                   const edge_block_t *block) {
  const int32_t *bias = block->bias;
  int32_t *sums = block->sums;
  const uint8_t *weights = m->weights + block->first * m->chunks * m->tile_bytes;
  uint32_t panels = block->panels;
  do {
    const int8_t *x = vector;
    uint32_t left = m->chunks;
    __asm__ volatile(
        "ldm %[bias]!, " SUMS "\n" EACH_TILE(NEXT_X) "stm %[sums]!, " SUMS "\n"
        : [x] "+r"(x), [w] "+r"(weights), [left] "+r"(left), [bias] "+r"(bias), [sums] "+r"(sums)
        :
        : CLOBBERED);
  } while (--panels > 0);
}

/* Needs every odd register: GCC finds no place for six operands unless it is told. */
static __attribute__((noinline)) void scattered(const edge_matrix_t *m, const int8_t *vector,
                                                const edge_block_t *block) {
  const uint32_t *starts = m->starts + block->first;
  register const int8_t *x __asm__("r11") = vector;
  register const uint8_t *weights __asm__("r3") = m->weights + starts[0] * m->tile_bytes;
  register const uint16_t *column __asm__("r5") = m->columns + starts[0];
  const int32_t *bias = block->bias;
  const int32_t *end = bias + 8 * block->panels;
  int32_t *out = block->sums;
  do {
    register const int32_t *at __asm__("r1") = bias; /* then the address of a chunk of x */
    register uint32_t left __asm__("r7") = starts[1] - starts[0];
    register int32_t *sums __asm__("r9") = out;
    __asm__ volatile("ldm %[at], " SUMS "\n" EACH_TILE(COLUMN_X) "stm %[sums], " SUMS "\n"
                     : [at] "+r"(at), [w] "+r"(weights), [left] "+r"(left), [column] "+r"(column)
                     : [x] "r"(x), [sums] "r"(sums)
                     : CLOBBERED);
    bias += 8;
    out += 8;
    starts++;
  } while (bias != end);
}

/* Half a tile of 4-bit indices: rows in pairs of nibbles. `at` walks columns, or x itself. */
#define FOUR_PALETTE_ROWS                                                                          \
  "vldrb.u8 q1, [%[w]], #16\n vand q2, q1, q3\n"                                                   \
  "vldrb.u8 q4, [%[palette], q2]\n vshr.u8 q2, q1, #4\n"                                           \
  "vmladava.s8 r0, q0, q4\n vldrb.u8 q4, [%[palette], q2]\n"                                       \
  "vldrb.u8 q1, [%[w]], #48\n vmladava.s8 r2, q0, q4\n"                                            \
  "vand q2, q1, q3\n vldrb.u8 q4, [%[palette], q2]\n"                                              \
  "vshr.u8 q2, q1, #4\n vmladava.s8 r4, q0, q4\n"                                                  \
  "vldrb.u8 q4, [%[palette], q2]\n vmladava.s8 r6, q0, q4\n"
#define CLOBBERED_BY_FOUR "r0", "r2", "r4", "r6", "q0", "q1", "q2", "q3", "q4", "cc", "memory"

static __attribute__((noinline)) void palette4(const edge_matrix_t *m, const int8_t *vector,
                                               const edge_block_t *block) {
  for (uint32_t row = 0; row < 8 * block->panels; row += 4) {
    uint32_t start = edge_panel_start(m, block->first + row / 8);
    uint32_t left = edge_panel_start(m, block->first + row / 8 + 1) - start;
    const uint8_t *weights = m->weights + start * 64 + row % 8 * 8;
    const int32_t *bias = block->bias + row;
    int32_t *sums = block->sums + row;
    const int8_t *x = vector;
    if (m->columns) {
      const uint16_t *column = m->columns + start;
      const int32_t *at = bias; /* then the address of a chunk of x */
      __asm__ volatile("ldm %[at], {r0, r2, r4, r6}\n vmov.i8 q3, #15\n"
                       "cmp %[left], #0\n beq 2f\n"
                       "1:\n" COLUMN_X FOUR_PALETTE_ROWS "subs %[left], #1\n bne 1b\n"
                       "2: stm %[sums], {r0, r2, r4, r6}\n"
                       : [w] "+r"(weights), [left] "+r"(left), [column] "+r"(column), [at] "+r"(at)
                       : [x] "r"(x), [sums] "r"(sums), [palette] "r"(m->palette)
                       : CLOBBERED_BY_FOUR);
    } else {
      __asm__ volatile("ldm %[bias], {r0, r2, r4, r6}\n vmov.i8 q3, #15\n"
                       "1:\n" NEXT_X FOUR_PALETTE_ROWS "subs %[left], #1\n bne 1b\n"
                       "stm %[sums], {r0, r2, r4, r6}\n"
                       : [x] "+r"(x), [w] "+r"(weights), [left] "+r"(left)
                       : [bias] "r"(bias), [sums] "r"(sums), [palette] "r"(m->palette)
                       : CLOBBERED_BY_FOUR);
    }
  }
}

/* Weights of a row from indices of `width` bits and, of 3 or 5, one more. */
static inline int8x16_t decoded(const int8_t *palette, const uint8_t *tile, uint32_t row,
                                uint32_t width, bool extra) {
  uint32_t bit = row * width;
  uint8x16_t low = vldrbq_u8(tile + bit / 8 * 16);
  uint8x16_t index = vshlq_r_u8(low, -(int32_t)(bit % 8));
  index = vandq_u8(index, vdupq_n_u8((uint8_t)((1u << width) - 1)));
  if (extra) {
    uint8x16_t high = vandq_u8(vldrbq_u8(tile + 16 * width), vdupq_n_u8((uint8_t)(1u << row)));
    index = vorrq_u8(index, vshlq_r_u8(high, (int32_t)width - (int32_t)row));
  }
  return vldrbq_gather_offset_s8(palette, index);
}

/* Indices of 1, 2, 3 or 5 bits, a row at a time. */
EDGE_RARE static void palette(const edge_matrix_t *m, const int8_t *x, const edge_block_t *block) {
  const int8_t *values = (const int8_t *)m->palette;
  uint32_t width = m->bits == 1 ? 1 : m->bits & 6u;
  bool extra = m->bits > width;
  for (uint32_t row = 0; row < 8 * block->panels; row++) {
    uint32_t start = edge_panel_start(m, block->first + row / 8);
    uint32_t end = edge_panel_start(m, block->first + row / 8 + 1);
    const uint8_t *tile = m->weights + start * m->tile_bytes;
    int32_t sum = block->bias[row];
    for (uint32_t t = start; t < end; t++, tile += m->tile_bytes) {
      int8x16_t v = vldrbq_s8(x + 16 * (m->columns ? m->columns[t] : t - start));
      sum = vmladavaq_s8(sum, v, decoded(values, tile, row % 8, width, extra));
    }
    block->sums[row] = sum;
  }
}

void edge_block_mve(const edge_matrix_t *m, const int8_t *x, const edge_block_t *block) {
  if (m->bits == 4)
    palette4(m, x, block);
  else if (m->bits > 0)
    palette(m, x, block);
  else if (m->columns)
    scattered(m, x, block);
  else
    side_by_side(m, x, block);
}
#endif
