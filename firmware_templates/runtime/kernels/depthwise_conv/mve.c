/* Strips of packed depthwise convolutions by Helium: sixteen channels at a time. Products of two
 * taps fit into 16 bits together. Assembly, because GCC 12 spills where all eight vectors are in
 * use. */
#include "packed.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

/* q0 to q3: sums of channels 0 4 8 12, 2 6 10 14, 1 5 9 13 and 3 7 11 15. */
#define BIAS                                                                                       \
  "vldrw.u32 q0, [%[b]]\n vldrw.u32 q1, [%[b], #16]\n vldrw.u32 q2, [%[b], #32]\n"                 \
  "vldrw.u32 q3, [%[b], #48]\n"
#define WIDENED                                                                                    \
  "vmovlb.s16 q5, q6\n vadd.i32 q0, q0, q5\n vmovlt.s16 q6, q6\n vadd.i32 q1, q1, q6\n"            \
  "vmovlb.s16 q5, q4\n vadd.i32 q2, q2, q5\n vmovlt.s16 q4, q4\n vadd.i32 q3, q3, q4\n"
#define FIRST(x, w) x "vldrw.u32 q5, " w "\n vmullb.s8 q6, q4, q5\n vmullt.s8 q4, q4, q5\n"
#define SECOND(x, w)                                                                               \
  x "vldrw.u32 q7, " w "\n vmullb.s8 q7, q5, q7\n vadd.i16 q6, q6, q7\n"                           \
    "vldrw.u32 q7, " w "\n vmullt.s8 q7, q5, q7\n vadd.i16 q4, q4, q7\n"

/* 3x3: weights behind the parameters, `t` walks the pixels. */
#define X(q) "vldrw.u32 " q ", [%[t]], #16\n"
#define NEXT_ROW "add %[t], %[next]\n"
#define W(at) "[%[b], #" #at "]"
#define NINE_TAPS                                                                                  \
  FIRST(X("q4"), W(192))                                                                           \
  SECOND(X("q5"), W(208))                                                                          \
  WIDENED FIRST(X("q4"), W(224)) SECOND(NEXT_ROW X("q5"), W(240)) WIDENED FIRST(X("q4"), W(256))   \
      SECOND(X("q5"), W(272)) WIDENED NEXT_ROW FIRST(X("q4"), W(288)) SECOND(X("q5"), W(304))      \
          WIDENED FIRST(X("q4"), W(320)) WIDENED

/* A sum to its output: edge_rescale with a shift to the right, of sums below 2^30. */
#define RESCALED(q, multiplier, shift)                                                             \
  "vldrw.u32 q4, [%[b], #" #multiplier "]\n vqrdmulh.s32 " q ", " q ", q4\n"                       \
  "vldrw.u32 q5, [%[b], #" #shift "]\n vshr.s32 q4, " q ", #31\n vadd.i32 " q ", " q ", q4\n"      \
  "vrshl.s32 " q ", " q ", q5\n"
#define OUTPUTS                                                                                    \
  RESCALED("q0", 64, 128)                                                                          \
  RESCALED("q1", 80, 144)                                                                          \
  RESCALED("q2", 96, 160)                                                                          \
  RESCALED("q3", 112, 176)                                                                         \
  "vqmovnb.s32 q0, q0\n vqmovnt.s32 q0, q1\n vqmovnb.s32 q2, q2\n vqmovnt.s32 q2, q3\n"            \
  "vqadd.s16 q0, q0, %[zero]\n vqadd.s16 q2, q2, %[zero]\n"                                        \
  "vqmovnb.s16 q0, q0\n vqmovnt.s16 q0, q2\n"                                                      \
  "vdup.8 q4, %[low]\n vdup.8 q5, %[high]\n vmax.s8 q0, q0, q4\n vmin.s8 q0, q0, q5\n"             \
  "vctp.8 %[lanes]\n vpst\n vstrbt.8 q0, [%[out]]\n"
#define CLOBBERED "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory"

/* A row's outputs: `count` blocks of `lanes` lanes. */
typedef struct row {
  const uint8_t *pixels;
  int8_t *out;
  uint32_t pixel_step;
  uint32_t out_step;
} row_t;

static inline void row3x3(const edge_strip_t *strip, row_t *row, uint32_t count, uint32_t lanes) {
  const edge_op_conv_t *op = strip->op;
  uint32_t next = op->dilation_h * strip->sizes->pitch - 48;
  const uint8_t *t;
  __asm__ volatile(
      "dls lr, %[count]\n"
      "1: mov %[t], %[p]\n" BIAS NINE_TAPS OUTPUTS
      "add %[p], %[pixel_step]\n add %[out], %[out_step]\n"
      "le lr, 1b\n"
      : [p] "+&r"(row->pixels), [out] "+&r"(row->out), [t] "=&r"(t)
      : [count] "r"(count), [b] "r"(strip->block), [next] "r"(next),
        [pixel_step] "r"(row->pixel_step), [out_step] "r"(row->out_step),
        [zero] "r"(op->zero_point), [low] "r"(op->low), [high] "r"(op->high), [lanes] "r"(lanes)
      : CLOBBERED, "lr");
}

/* Any window, taps of a line by twos. A window one tap wide is one line from top to bottom. */
typedef struct lines {
  uint32_t count;
  uint32_t taps;
  uint32_t step; /* from a tap to the next */
  uint32_t next; /* from the end of a line to the next one */
} lines_t;

static lines_t lines_of(const edge_strip_t *strip) {
  const edge_op_conv_t *op = strip->op;
  uint32_t down = op->dilation_h * strip->sizes->pitch;
  uint32_t right = op->dilation_w * 16;
  if (op->kernel_w == 1)
    return (lines_t){1, op->kernel_h, down, 0};
  return (lines_t){op->kernel_h, op->kernel_w, right, down - op->kernel_w * right};
}

#define ANY_X(q) "vldrw.u32 " q ", [%[t]]\n add %[t], %[step]\n"
#define ANY_TWO                                                                                    \
  FIRST(ANY_X("q4"), "[%[w]]") SECOND(ANY_X("q5"), "[%[w], #16]") "add %[w], #32\n" WIDENED
#define ANY_ONE FIRST(ANY_X("q4"), "[%[w]], #16") WIDENED

static inline void any_output(const edge_strip_t *strip, const lines_t *lines, const row_t *row,
                              uint32_t lanes) {
  const edge_op_conv_t *op = strip->op;
  const uint8_t *t = row->pixels;
  const uint8_t *w = (const uint8_t *)strip->block + sizeof(edge_block16_t);
  uint32_t left = lines->count;
  uint32_t pairs = lines->taps / 2;
  uint32_t odd = lines->taps % 2;
  __asm__ volatile(BIAS "1: wls lr, %[pairs], 3f\n"
                        "2:\n" ANY_TWO "le lr, 2b\n"
                        "3: cbz %[odd], 4f\n" ANY_ONE "4: add %[t], %[next]\n subs %[left], #1\n"
                        "bne 1b\n"
                   : [t] "+&r"(t), [w] "+&r"(w), [left] "+&l"(left)
                   : [b] "r"(strip->block), [pairs] "r"(pairs), [odd] "l"(odd),
                     [step] "r"(lines->step), [next] "r"(lines->next)
                   : CLOBBERED, "lr");
  __asm__ volatile(OUTPUTS
                   :
                   : [b] "r"(strip->block), [out] "r"(row->out), [zero] "r"(op->zero_point),
                     [low] "r"(op->low), [high] "r"(op->high), [lanes] "r"(lanes)
                   : CLOBBERED);
}

static void outputs(const edge_strip_t *strip, const lines_t *lines, row_t *row, uint32_t count,
                    uint32_t lanes) {
  const edge_op_conv_t *op = strip->op;
  if (op->kernel_h == 3 && op->kernel_w == 3 && op->dilation_w == 1) {
    row3x3(strip, row, count, lanes);
    return;
  }
  for (; count > 0; count--, row->pixels += row->pixel_step, row->out += row->out_step)
    any_output(strip, lines, row, lanes);
}

void edge_strip_run_own(const edge_strip_t *strip) {
  const edge_op_conv_t *op = strip->op;
  const lines_t lines = lines_of(strip);
  const uint32_t group = strip->sizes->group;
  const uint32_t whole = op->out_w / group;
  const uint32_t rest = op->out_w % group;
  row_t row = {NULL, NULL, group * op->stride_w * 16, group * op->out_c};
  for (uint32_t y = 0; y < strip->out_rows; y++) {
    row.pixels = strip->pixels + y * op->stride_h * strip->sizes->pitch;
    row.out = strip->out + y * op->out_w * op->out_c;
    if (whole > 0)
      outputs(strip, &lines, &row, whole, group * strip->channels);
    if (rest > 0)
      outputs(strip, &lines, &row, 1, rest * strip->channels);
  }
}

/* Channel by channel. */
static inline void copy_rows(const edge_strip_t *strip, const edge_part_t *part,
                             mve_pred16_t active) {
  const edge_op_conv_t *op = strip->op;
  const int8_t *row = part->in + strip->channel;
  int8_t *to = (int8_t *)part->pixels + strip->member * strip->channels;
  for (uint32_t y = part->rows; y > 0; y--) {
    const int8_t *in = row;
    int8_t *pixel = to;
    for (uint32_t x = part->count; x > 0; x--, in += op->in_c, pixel += 16)
      vstrbq_p_s8(pixel, vldrbq_z_s8(in, active), active);
    row += op->in_w * op->in_c;
    to += strip->sizes->pitch;
  }
}

static inline void repeat_rows(const edge_strip_t *strip, const edge_part_t *part,
                               mve_pred16_t active) {
  const edge_op_conv_t *op = strip->op;
  uint8_t offsets[16];
  uint32_t repeats = op->out_c / op->in_c;
  uint32_t first = strip->channel / repeats;
  for (uint32_t k = 0; k < 16; k++)
    offsets[k] = (uint8_t)((strip->channel + k) / repeats - first);
  const uint8x16_t at = vldrbq_u8(offsets);
  const int8_t *row = part->in + first;
  int8_t *to = (int8_t *)part->pixels + strip->member * strip->channels;
  for (uint32_t y = part->rows; y > 0; y--) {
    const int8_t *in = row;
    int8_t *pixel = to;
    for (uint32_t x = part->count; x > 0; x--, in += op->in_c, pixel += 16)
      vstrbq_p_s8(pixel, vldrbq_gather_offset_z_s8(in, at, active), active);
    row += op->in_w * op->in_c;
    to += strip->sizes->pitch;
  }
}

void edge_strip_copy_own(const edge_strip_t *strip, const edge_part_t *part) {
  if (strip->op->out_c != strip->op->in_c)
    repeat_rows(strip, part, vctp8q(strip->channels));
  else
    copy_rows(strip, part, vctp8q(strip->channels));
}
#endif
