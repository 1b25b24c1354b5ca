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
#define CLOBBERED                                                                                  \
  "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "cc", "memory"

static __attribute__((noinline)) void side_by_side(const int8_t *x, const edge_panel_t *panel) {
  const uint8_t *weights = panel->weights;
  uint32_t left = panel->tiles;
  __asm__ volatile("ldm %[bias], " SUMS "\n"
                   "1:\n"
                   "vldrb.u8 q0, [%[x]], #16\n" EIGHT_ROWS "subs %[left], #1\n"
                   "bne 1b\n"
                   "stm %[sums], " SUMS "\n"
                   : [x] "+r"(x), [w] "+r"(weights), [left] "+r"(left)
                   : [bias] "r"(panel->bias), [sums] "r"(panel->sums)
                   : CLOBBERED);
}

static __attribute__((noinline)) void scattered(const int8_t *x, const edge_panel_t *panel) {
  const uint8_t *weights = panel->weights;
  const uint16_t *column = panel->columns;
  const int32_t *bias = panel->bias; /* then the address of a chunk of x */
  const uint16_t *end = column + panel->tiles;
  __asm__ volatile("ldm %[at], " SUMS "\n"
                   "b 2f\n"
                   "1:\n"
                   "ldrh %[at], [%[column]], #2\n"
                   "add %[at], %[x], %[at], lsl #4\n"
                   "vldrb.u8 q0, [%[at]]\n" EIGHT_ROWS "2:\n"
                   "cmp %[column], %[end]\n"
                   "bne 1b\n"
                   "stm %[sums], " SUMS "\n"
                   : [at] "+r"(bias), [w] "+r"(weights), [column] "+r"(column)
                   : [x] "r"(x), [end] "r"(end), [sums] "r"(panel->sums)
                   : CLOBBERED);
}

/* Weights of the rows from `row` on that share a vector of indices, `width` bits each and, of 3 or
 * 5, one more. */
static inline int8x16_t decoded(const int8_t *palette, const uint8_t *tile, uint32_t row,
                                uint32_t width, bool extra) {
  uint32_t lanes = 8 / width;
  uint8x16_t low = vldrbq_u8(tile + row / lanes * 16);
  uint8x16_t index = vshlq_r_u8(low, -(int32_t)(row % lanes * width));
  index = vandq_u8(index, vdupq_n_u8((uint8_t)((1u << width) - 1)));
  if (extra) {
    uint8x16_t high = vldrbq_u8(tile + 16 * width);
    high = vandq_u8(vshlq_r_u8(high, -(int32_t)row), vdupq_n_u8(1));
    index = vorrq_u8(index, vshlq_r_u8(high, (int32_t)width));
  }
  return vldrbq_gather_offset_s8(palette, index);
}

static inline __attribute__((always_inline)) void
palettised(const edge_matrix_t *m, const int8_t *x, const edge_panel_t *panel, uint32_t width,
           bool extra) {
  const int8_t *palette = (const int8_t *)m->palette;
  for (uint32_t half = 0; half < 8; half += 4) {
    const uint8_t *tile = panel->weights;
    int32_t sums[4];
    for (uint32_t r = 0; r < 4; r++)
      sums[r] = panel->bias[half + r];
    for (uint32_t t = 0; t < panel->tiles; t++, tile += m->tile_bytes) {
      int8x16_t v = vldrbq_s8(x + 16 * (panel->columns ? panel->columns[t] : t));
      for (uint32_t r = 0; r < 4; r++)
        sums[r] = vmladavaq_s8(sums[r], v, decoded(palette, tile, half + r, width, extra));
    }
    for (uint32_t r = 0; r < 4; r++)
      panel->sums[half + r] = sums[r];
  }
}

#define PALETTE(bits, width, extra)                                                                \
  static __attribute__((noinline)) void palette##bits(const edge_matrix_t *m, const int8_t *x,     \
                                                      const edge_panel_t *panel) {                 \
    palettised(m, x, panel, width, extra);                                                         \
  }
PALETTE(1, 1, false)
PALETTE(2, 2, false)
PALETTE(3, 2, true)
PALETTE(4, 4, false)
PALETTE(5, 4, true)

void edge_panel_mve(const edge_matrix_t *m, const int8_t *x, const edge_panel_t *panel) {
  switch (m->bits) {
  case 0:
    if (panel->columns)
      scattered(x, panel);
    else
      side_by_side(x, panel);
    break;
  case 1:
    palette1(m, x, panel);
    break;
  case 2:
    palette2(m, x, panel);
    break;
  case 3:
    palette3(m, x, panel);
    break;
  case 4:
    palette4(m, x, panel);
    break;
  default:
    palette5(m, x, panel);
  }
}
#endif
