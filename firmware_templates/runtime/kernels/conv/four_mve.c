/* Four pixels by Helium: two vectors of x for four vectors of weights, so that each of them loads
 * for two or four of the eight products. */
#include "../matrix/rows.h"
#include "packed.h"

#if defined(__ARM_FEATURE_MVE)
#include "../helium.h"

#define LOAD_X "vldrb.u8 q0, [%[x0]], #16\n vldrb.u8 q1, [%[x1]], #16\n"
#define HALF_TILE                                                                                  \
  LOAD_X "vldrb.u8 q2, [%[w]], #16\n vldrb.u8 q3, [%[w]], #16\n"                                   \
         "vmladava.s8 r0, q0, q2\n vmladava.s8 r8, q1, q2\n"                                       \
         "vldrb.u8 q2, [%[w]], #16\n"                                                              \
         "vmladava.s8 r2, q0, q3\n vmladava.s8 r10, q1, q3\n"                                      \
         "vldrb.u8 q3, [%[w]], #80\n"                                                              \
         "vmladava.s8 r4, q0, q2\n vmladava.s8 r12, q1, q2\n"                                      \
         "vmladava.s8 r6, q0, q3\n vmladava.s8 lr, q1, q3\n"

/* sums[k] of rows `row` + k (a multiple of 8) for two pixels, four rows at a time; the sums of the
 * second pixel follow EDGE_CONV_ROWS behind. Needs every odd register. */
static __attribute__((noinline)) void two_pixels(const edge_conv_t *c, const int8_t *const pair[2],
                                                 uint32_t row, uint32_t count, int32_t *sums) {
  const uint32_t chunks = c->matrix.chunks;
  const int32_t *bias = c->bias + row;
  const uint8_t *weights = c->matrix.weights + row * chunks * 16;
  for (const int32_t *end = bias + count; bias < end; bias += 8, weights += 128 * chunks) {
    for (uint32_t half = 0; half < 8; half += 4, sums += 4) {
      register const uint8_t *w __asm__("r1") = weights + half * 16;
      register const int8_t *x0 __asm__("r3") = pair[0];
      register const int8_t *x1 __asm__("r5") = pair[1];
      register uint32_t left __asm__("r7") = chunks;
      register const int32_t *from __asm__("r9") = bias + half;
      register int32_t *to __asm__("r11") = sums;
      __asm__ volatile("ldm %[from], {r0, r2, r4, r6}\n ldm %[from], {r8, r10, r12, lr}\n"
                       "lsrs %[left], #1\n"
                       "bcc 1f\n" HALF_TILE "1: beq 3f\n"
                       "2:\n" HALF_TILE HALF_TILE "subs %[left], #1\n"
                       "bne 2b\n"
                       "3: stm %[to], {r0, r2, r4, r6}\n"
                       "add %[to], %[to], %[pixel]\n stm %[to], {r8, r10, r12, lr}\n"
                       : [w] "+r"(w), [x0] "+r"(x0), [x1] "+r"(x1), [left] "+r"(left), [to] "+r"(to)
                       : [from] "r"(from), [pixel] "i"(4 * EDGE_CONV_ROWS)
                       : "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "q3",
                         "cc", "memory");
    }
  }
}

typedef struct limits {
  int32_t zero_point;
  int32x4_t low;
  int32x4_t high;
} limits_t;

/* edge_rescale of a calm convolution and what follows. VQDMLAH takes the step of
 * edge_rounding_shift4: twice a negative number is -1 in the high half, of any other 0. */
static inline int32x4_t output(const limits_t *to, int32x4_t v, int32x4_t multiplier,
                               int32x4_t shift) {
  v = vqrdmulhq_s32(v, multiplier);
  v = vrshlq_s32(vqdmlahq_n_s32(v, v, 1), shift);
  return vminq_s32(vmaxq_s32(vaddq_n_s32(v, to->zero_point), to->low), to->high);
}

/* Outputs of rows `row` + k, k < count, of four pixels. */
static __attribute__((noinline)) void outputs(const edge_conv_t *c, uint32_t row, uint32_t count,
                                              const int32_t *sums, int8_t *out) {
  const edge_op_conv_t *op = c->op;
  const limits_t to = {op->zero_point, vdupq_n_s32(op->low), vdupq_n_s32(op->high)};
  const uint32x4_t at = {0, 8, 16, 24};
  const int32_t *scales = c->scales + 2 * row;
  uint32_t k = 0;
  for (; k + 4 <= count; k += 4, scales += 8, sums += 4, out += 4) {
    int32x4_t multiplier = vldrwq_gather_offset_s32(scales, at);
    int32x4_t shift = vldrwq_gather_offset_s32(scales + 1, at);
    int8_t *pixel = out;
    for (uint32_t p = 0; p < EDGE_CONV_GROUP; p++, pixel += op->out_c)
      vstrbq_s32(pixel, output(&to, vldrwq_s32(sums + p * EDGE_CONV_ROWS), multiplier, shift));
  }
  if (k < count) {
    mve_pred16_t active = vctp32q(count - k);
    int32x4_t multiplier = vldrwq_gather_offset_z_s32(scales, at, active);
    int32x4_t shift = vldrwq_gather_offset_z_s32(scales + 1, at, active);
    for (uint32_t p = 0; p < EDGE_CONV_GROUP; p++, out += op->out_c)
      vstrbq_p_s32(out, output(&to, vldrwq_s32(sums + p * EDGE_CONV_ROWS), multiplier, shift),
                   active);
  }
}

bool edge_conv_four(const edge_conv_t *c, edge_pixel_t at, int8_t *out) {
  const edge_matrix_t *m = &c->matrix;
  if (m->tile != EDGE_TILE_8X16 || m->bits > 0 || m->starts != NULL)
    return false;
  const edge_op_conv_t *op = c->op;
  const edge_rows_t how = {0, 0, op->zero_point, op->low, op->high};
  const int8_t *x[EDGE_CONV_GROUP];
  int32_t sums[EDGE_CONV_GROUP * EDGE_CONV_ROWS];
  uint32_t bytes = edge_conv_window_bytes(c->depth);
  const int8_t *pixels = edge_conv_pixel(c, at, 3 * c->depth + bytes);
  for (uint32_t k = 0; k < EDGE_CONV_GROUP; k++, at = edge_conv_next(op, at)) {
    if (pixels != NULL)
      x[k] = pixels + k * c->depth;
    else
      x[k] = edge_conv_window(c, at, bytes, c->scratch + k * bytes);
  }
  for (uint32_t row = 0; row < op->out_c; row += EDGE_CONV_ROWS) {
    uint32_t left = op->out_c - row;
    uint32_t count = left < EDGE_CONV_ROWS ? left : EDGE_CONV_ROWS;
    two_pixels(c, x, row, count, sums);
    two_pixels(c, x + 2, row, count, sums + 2 * EDGE_CONV_ROWS);
    if (c->calm) {
      outputs(c, row, count, sums, out + row);
      continue;
    }
    for (uint32_t k = 0; k < EDGE_CONV_GROUP; k++)
      edge_rows(&how, c->scales, row, count, sums + k * EDGE_CONV_ROWS, out + k * op->out_c + row);
  }
  return true;
}
#endif
