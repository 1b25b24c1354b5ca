/* Depthwise convolution with packed weights: strip after strip, block after block. */
#include "packed.h"

#include "../window.h"

#if defined(__ARM_FEATURE_MVE)
#define OWN_FORM EDGE_DEPTHWISE_16
#elif defined(__ARM_FEATURE_DSP)
#define OWN_FORM EDGE_DEPTHWISE_4
#endif

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

edge_strips_t edge_strips_of(const edge_op_conv_t *op) {
  bool wide = op->head.variant == EDGE_DEPTHWISE_16;
  uint32_t taps = op->kernel_h * op->kernel_w;
  edge_strips_t s = {.lanes = wide ? 16 : 4,
                     .pixel_bytes = wide ? 16 : 8,
                     .group = wide && op->out_c <= 8 ? 16 / op->out_c : 1,
                     .reach = (op->kernel_h - 1) * op->dilation_h + 1,
                     .block_bytes = wide ? (uint32_t)sizeof(edge_block16_t) + 16 * taps
                                         : (uint32_t)sizeof(edge_block4_t) + 8 * taps};
  s.columns =
      (op->out_w - 1) / s.group * s.group * op->stride_w + (op->kernel_w - 1) * op->dilation_w + 1;
  uint32_t all = (op->out_h - 1) * op->stride_h + s.reach;
  s.pitch = s.columns * s.pixel_bytes;
  s.rows = least(all, EDGE_STRIP_BYTES / s.pitch);
  s.rows = s.rows > s.reach ? s.rows : s.reach;
  return s;
}

static void copy(const edge_strip_t *strip, const edge_part_t *part) {
#if defined(OWN_FORM)
  if (strip->op->head.variant == OWN_FORM) {
    edge_strip_copy_own(strip, part);
    return;
  }
#endif
  edge_strip_copy_ref(strip, part);
}

static void run(const edge_strip_t *strip) {
#if defined(OWN_FORM)
  if (strip->op->head.variant == OWN_FORM) {
    edge_strip_run_own(strip);
    return;
  }
#endif
  edge_strip_run_ref(strip);
}

/* Pixels outside the image: `count` of each row from `pixels` on. */
static void pad(const edge_strip_t *strip, uint8_t *pixels, uint32_t rows, uint32_t count) {
  const uint32_t words = count * strip->sizes->pixel_bytes / 4;
  const uint32_t zero = (uint32_t)strip->op->input_zero_point;
  const uint32_t value =
      strip->sizes->lanes == 16 ? (zero & 0xff) * 0x01010101u : (zero & 0xffff) * 0x00010001u;
  if (words == 0)
    return;
  for (; rows > 0; rows--, pixels += strip->sizes->pitch) {
    uint32_t *word = (uint32_t *)(void *)pixels;
    for (uint32_t left = words; left > 0; left -= 2) {
      *word++ = value;
      *word++ = value;
    }
  }
}

/* Rows of the image, and what is outside to their left and right. Each member of a group sees the
 * image `stride_w` further to the right, so that not all lanes of a pixel lie outside. */
static void fill_rows(edge_strip_t *strip, edge_part_t *part) {
  const edge_op_conv_t *op = strip->op;
  const edge_strips_t *s = strip->sizes;
  const int8_t *in = part->in;
  uint8_t *pixels = part->pixels;
  const uint32_t rows = part->rows;
  if (s->group > 1)
    pad(strip, pixels, 1, rows * s->columns);
  for (strip->member = 0; strip->member < s->group; strip->member++) {
    uint32_t shift = strip->member * op->stride_w;
    uint32_t left = least(op->pad_left > shift ? op->pad_left - shift : 0, s->columns);
    uint32_t skipped = least(shift > op->pad_left ? shift - op->pad_left : 0, op->in_w);
    part->rows = rows;
    part->count = least(op->in_w - skipped, s->columns - left);
    part->in = in + skipped * op->in_c;
    part->pixels = pixels + left * s->pixel_bytes;
    if (s->group == 1) {
      pad(strip, pixels, part->rows, left);
      pad(strip, part->pixels + part->count * s->pixel_bytes, part->rows,
          s->columns - left - part->count);
    }
    if (part->count == op->in_w && part->count == s->columns) { /* rows on end */
      part->count *= part->rows;
      part->rows = 1;
    }
    if (part->count > 0)
      copy(strip, part);
  }
}

/* The rows of the padded image that the strip's windows reach, from row `top` on. */
static void fill(edge_strip_t *strip, const int8_t *input, uint32_t top) {
  const edge_op_conv_t *op = strip->op;
  const edge_strips_t *s = strip->sizes;
  uint32_t rows = (strip->out_rows - 1) * op->stride_h + s->reach;
  uint32_t above = least(rows, op->pad_top > top ? op->pad_top - top : 0);
  uint32_t first = least(top + above - least(op->pad_top, top + above), op->in_h);
  uint32_t inside = least(rows - above, op->in_h - first);
  edge_part_t part = {.in = input + first * op->in_w * op->in_c,
                      .pixels = strip->pixels + above * s->pitch,
                      .rows = inside};
  pad(strip, strip->pixels, 1, above * s->columns);
  pad(strip, part.pixels + inside * s->pitch, 1, (rows - above - inside) * s->columns);
  if (inside > 0)
    fill_rows(strip, &part);
}

void edge_depthwise_packed(const edge_memory_t *memory, const edge_op_conv_t *op) {
  const edge_strips_t sizes = edge_strips_of(op);
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  edge_strip_t strip = {
      .op = op, .sizes = &sizes, .pixels = (uint8_t *)edge_at(memory, op->scratch)};
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t step = (sizes.rows - sizes.reach) / op->stride_h + 1;
  for (uint32_t y = 0; y < op->out_h; y += step) {
    const uint8_t *block = (const uint8_t *)edge_at(memory, op->weights);
    strip.out_rows = least(step, op->out_h - y);
    for (uint32_t c = 0; c < op->out_c; c += sizes.lanes, block += sizes.block_bytes) {
      strip.block = block;
      strip.out = out + y * op->out_w * op->out_c + c;
      strip.channel = c;
      strip.channels = least(sizes.lanes, op->out_c - c);
      fill(&strip, input, y * op->stride_h);
      run(&strip);
    }
  }
}
