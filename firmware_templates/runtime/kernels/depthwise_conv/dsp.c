/* Strips of packed depthwise convolutions by the DSP extension: four channels at a time, in two
 * words of 16-bit pairs. Sums are doubled, so that SMMULR rounds them where TFLite does. */
#include <string.h>

#include "packed.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

#define FOUR                                                                                       \
  "smlabb %[a], %[x0], %[w0], %[a]\n smlatt %[b], %[x0], %[w0], %[b]\n"                            \
  "smlabb %[c], %[x1], %[w1], %[c]\n smlatt %[d], %[x1], %[w1], %[d]\n"
#define TAP(x, w)                                                                                  \
  "ldrd %[x0], %[x1], [%[p], #" #x "]\n ldrd %[w0], %[w1], [%[block], #" #w "]\n" FOUR
#define NEXT_ROW "add %[p], %[pitch]\n"
#define ROW3(w0, w1, w2) TAP(0, w0) TAP(8, w1) TAP(16, w2)

/* Two outputs of sums x and y, behind their parameters at byte `at` of the block's. */
#define SCALED(x, y, at)                                                                           \
  "ldrd %[x0], %[x1], [%[block], #16 + " at "]\n"                                                  \
  "smmulr " x ", " x ", %[x0]\n smmulr " y ", " y ", %[x1]\n"                                      \
  "ldrd %[x0], %[x1], [%[block], #32 + " at "]\n"                                                  \
  "add " x ", " x ", " x ", asr #31\n add " y ", " y ", " y ", asr #31\n"                          \
  "add " x ", %[x0]\n add " y ", %[x1]\n"                                                          \
  "ldrd %[x0], %[x1], [%[block], #48 + " at "]\n"                                                  \
  "asr " x ", %[x0]\n asr " y ", %[x1]\n ssat " x ", #8, " x "\n ssat " y ", #8, " y "\n"
#define JOINED "bfi %[a], %[c], #8, #8\n bfi %[a], %[b], #16, #8\n bfi %[a], %[d], #24, #8\n"
#define BIAS "ldrd %[a], %[b], [%[block]]\n ldrd %[c], %[d], [%[block], #8]\n"
#define ALL_SCALED SCALED("%[a]", "%[b]", "0") SCALED("%[c]", "%[d]", "8") JOINED
#define WORKING                                                                                    \
  [c] "=&r"(c), [d] "=&r"(d), [x0] "=&r"(x0), [x1] "=&r"(x1), [w0] "=&r"(w0), [w1] "=&r"(w1)

/* Four outputs of the window at p. */
static inline __attribute__((always_inline)) uint32_t window3x3(const edge_block4_t *block,
                                                                const uint8_t *p, uint32_t pitch) {
  uint32_t a, b, c, d, x0, x1, w0, w1;
  __asm__ volatile(BIAS ROW3(64, 72, 80) NEXT_ROW ROW3(88, 96, 104) NEXT_ROW ROW3(112, 120, 128)
                       ALL_SCALED
                   : [a] "=&r"(a), [b] "=&r"(b), WORKING, [p] "+r"(p)
                   : [block] "r"(block), [pitch] "r"(pitch)
                   : "cc", "memory");
  return a;
}

/* Any window: taps of a line `step` bytes apart, `next` from the end of a line to the next one. A
 * window one tap wide is one line from top to bottom. */
typedef struct lines {
  uint32_t count;
  uint32_t taps;
  uint32_t step;
  uint32_t next;
} lines_t;

static inline __attribute__((always_inline)) uint32_t window(const edge_block4_t *block,
                                                             const uint8_t *p,
                                                             const lines_t *lines) {
  uint32_t a = (uint32_t)block->twice_bias[0];
  uint32_t b = (uint32_t)block->twice_bias[1];
  uint32_t c = (uint32_t)block->twice_bias[2];
  uint32_t d = (uint32_t)block->twice_bias[3];
  uint32_t x0, x1, w0, w1;
  const int16_t *w = block->twice_weights[0];
  const uint32_t step = lines->step;
  for (uint32_t left = lines->count; left > 0; left--, p += lines->next) {
    uint32_t taps = lines->taps;
    __asm__ volatile(
        "1: ldrd %[x0], %[x1], [%[p]]\n ldrd %[w0], %[w1], [%[w]], #8\n"
        "add %[p], %[step]\n subs %[taps], #1\n" FOUR "bne 1b\n"
        : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [x0] "=&r"(x0), [x1] "=&r"(x1),
          [w0] "=&r"(w0), [w1] "=&r"(w1), [w] "+r"(w), [p] "+r"(p), [taps] "+r"(taps)
        : [step] "r"(step)
        : "cc", "memory");
  }
  __asm__ volatile(
      ALL_SCALED
      : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [x0] "=&r"(x0), [x1] "=&r"(x1)
      : [block] "r"(block)
      : "memory");
  return a;
}

static uint32_t four_times(int32_t value) { return (uint8_t)value * 0x01010101u; }

static inline uint32_t clamped(uint32_t bytes, uint32_t low, uint32_t high) {
  uint32_t t;
  __asm__ volatile("ssub8 %[t], %[a], %[low]\n sel %[a], %[a], %[low]\n"
                   "ssub8 %[t], %[a], %[high]\n sel %[a], %[high], %[a]\n"
                   : [a] "+r"(bytes), [t] "=&r"(t)
                   : [low] "r"(low), [high] "r"(high)
                   : "cc");
  return bytes;
}

static inline __attribute__((always_inline)) void
row_of(const edge_strip_t *strip, const uint8_t *p, int8_t *out, const lines_t *lines) {
  const edge_op_conv_t *op = strip->op;
  const edge_block4_t *block = (const edge_block4_t *)strip->block;
  const uint32_t pitch = op->dilation_h * strip->sizes->pitch;
  const uint32_t stride = op->stride_w * 8;
  const uint32_t out_step = op->out_c;
  for (uint32_t x = op->out_w; x > 0; x--, out += out_step, p += stride) {
    uint32_t bytes = lines ? window(block, p, lines) : window3x3(block, p, pitch);
    memcpy(out, &bytes, 4);
  }
}

/* Less than four channels, or a narrower range than int8. */
static __attribute__((noinline)) void partial_row(const edge_strip_t *strip, const uint8_t *p,
                                                  int8_t *out, const lines_t *lines) {
  const edge_op_conv_t *op = strip->op;
  const uint32_t low = four_times(op->low);
  const uint32_t high = four_times(op->high);
  for (uint32_t x = op->out_w; x > 0; x--, out += op->out_c, p += op->stride_w * 8) {
    uint32_t bytes = clamped(window((const edge_block4_t *)strip->block, p, lines), low, high);
    for (uint32_t k = 0; k < strip->channels; k++)
      out[k] = (int8_t)(bytes >> 8 * k);
  }
}

static lines_t lines_of(const edge_strip_t *strip) {
  const edge_op_conv_t *op = strip->op;
  uint32_t down = op->dilation_h * strip->sizes->pitch;
  uint32_t right = op->dilation_w * 8;
  if (op->kernel_w == 1)
    return (lines_t){1, op->kernel_h, down, 0};
  return (lines_t){op->kernel_h, op->kernel_w, right, down - op->kernel_w * right};
}

void edge_strip_run_own(const edge_strip_t *strip) {
  const edge_op_conv_t *op = strip->op;
  const lines_t lines = lines_of(strip);
  const bool whole = strip->channels == 4 && op->low == -128 && op->high == 127;
  const bool small = op->kernel_h == 3 && op->kernel_w == 3 && op->dilation_w == 1;
  for (uint32_t y = 0; y < strip->out_rows; y++) {
    const uint8_t *p = strip->pixels + y * op->stride_h * strip->sizes->pitch;
    int8_t *out = strip->out + y * op->out_w * op->out_c;
    if (!whole)
      partial_row(strip, p, out, &lines);
    else if (small)
      row_of(strip, p, out, NULL);
    else
      row_of(strip, p, out, &lines);
  }
}

/* Four bytes to the order of edge_lane_at: 0 and 2, 1 and 3. */
#define WIDEN "sxtb16 %[even], %[odd]\n sxtb16 %[odd], %[odd], ror #8\n"
#define STORE "strd %[even], %[odd], [%[pixel]], #8\n"

static inline void copy_row(const int8_t *in, uint32_t step, uint32_t count, uint8_t *pixel) {
  uint32_t even, odd;
  const uint8_t *end = pixel + 8 * count;
  if (count % 2 != 0)
    __asm__ volatile("ldr %[odd], [%[in]]\n add %[in], %[step]\n" WIDEN STORE
                     : [in] "+r"(in), [pixel] "+r"(pixel), [even] "=&r"(even), [odd] "=&r"(odd)
                     : [step] "r"(step)
                     : "memory");
  while (pixel != end)
    __asm__ volatile(
        "ldr %[odd], [%[in]]\n" WIDEN STORE
        "ldr %[odd], [%[in], %[step]]\n add %[in], %[in], %[step], lsl #1\n" WIDEN STORE
        : [in] "+r"(in), [pixel] "+r"(pixel), [even] "=&r"(even), [odd] "=&r"(odd)
        : [step] "r"(step)
        : "memory");
}

static inline void repeat_row(const int8_t *in, uint32_t step, uint32_t count, uint8_t *pixel,
                              const uint32_t at[4]) {
  for (; count > 0; count--, in += step) {
    uint32_t even;
    uint32_t odd = (uint8_t)in[at[0]] | (uint32_t)(uint8_t)in[at[1]] << 8 |
                   (uint32_t)(uint8_t)in[at[2]] << 16 | (uint32_t)(uint8_t)in[at[3]] << 24;
    __asm__ volatile(WIDEN STORE
                     : [pixel] "+r"(pixel), [even] "=&r"(even), [odd] "+r"(odd)
                     :
                     : "memory");
  }
}

void edge_strip_copy_own(const edge_strip_t *strip, const edge_part_t *part) {
  const edge_op_conv_t *op = strip->op;
  const uint32_t repeats = op->out_c / op->in_c;
  const uint32_t last = strip->channel + strip->channels - 1;
  const bool plain = repeats == 1 && strip->channels == 4;
  const int8_t *in = part->in;
  uint8_t *pixels = part->pixels;
  uint32_t at[4];
  for (uint32_t k = 0; k < 4; k++)
    at[k] = (strip->channel + k < last ? strip->channel + k : last) / repeats;
  for (uint32_t y = part->rows; y > 0; y--) {
    if (plain)
      copy_row(in + strip->channel, op->in_c, part->count, pixels);
    else
      repeat_row(in, op->in_c, part->count, pixels, at);
    in += op->in_w * op->in_c;
    pixels += strip->sizes->pitch;
  }
}

#endif
