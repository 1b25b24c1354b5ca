/* Strips of packed depthwise convolutions in plain C, for either form. */
#include "../fixed_point.h"
#include "packed.h"

void edge_strip_copy_ref(const edge_strip_t *strip, const edge_part_t *part) {
  const edge_op_conv_t *op = strip->op;
  uint32_t repeats = op->out_c / op->in_c;
  uint32_t lanes = strip->sizes->lanes;
  uint32_t first = strip->member * strip->channels;
  for (uint32_t i = 0; i < part->rows * part->count; i++) {
    uint32_t y = i / part->count;
    uint32_t x = i % part->count;
    const int8_t *in = part->in + (y * op->in_w + x) * op->in_c;
    uint8_t *pixel = part->pixels + y * strip->sizes->pitch + x * strip->sizes->pixel_bytes;
    for (uint32_t k = 0; k < strip->channels; k++) {
      int8_t value = in[(strip->channel + k) / repeats];
      if (lanes == 16)
        ((int8_t *)pixel)[first + k] = value;
      else
        ((int16_t *)(void *)pixel)[edge_lane_at(lanes, k)] = value;
    }
  }
}

/* A tap's product, doubled in blocks of four. */
static int32_t product(const edge_strip_t *strip, const uint8_t *pixel, uint32_t tap, uint32_t k) {
  if (strip->sizes->lanes == 16)
    return ((const int8_t *)pixel)[k] * ((const edge_block16_t *)strip->block)->weights[tap][k];
  uint32_t at = edge_lane_at(4, k);
  return ((const int16_t *)(const void *)pixel)[at] *
         ((const edge_block4_t *)strip->block)->twice_weights[tap][at];
}

static int8_t output(const edge_strip_t *strip, const uint8_t *pixels, uint32_t k) {
  const edge_op_conv_t *op = strip->op;
  int32_t sum = 0;
  for (uint32_t ky = 0; ky < op->kernel_h; ky++) {
    const uint8_t *row = pixels + ky * op->dilation_h * strip->sizes->pitch;
    for (uint32_t kx = 0; kx < op->kernel_w; kx++)
      sum += product(strip, row + kx * op->dilation_w * strip->sizes->pixel_bytes,
                     ky * op->kernel_w + kx, k);
  }
  uint32_t at = edge_lane_at(strip->sizes->lanes, k);
  if (strip->sizes->lanes == 16) {
    const edge_block16_t *b = (const edge_block16_t *)strip->block;
    return (int8_t)edge_requantise(sum + b->bias[at], b->multiplier[at], b->shift[at],
                                   op->zero_point, op->low, op->high);
  }
  const edge_block4_t *b = (const edge_block4_t *)strip->block;
  return (int8_t)edge_requantise((sum + b->twice_bias[at]) / 2, b->multiplier[at], -b->right[at],
                                 op->zero_point, op->low, op->high);
}

void edge_strip_run_ref(const edge_strip_t *strip) {
  const edge_op_conv_t *op = strip->op;
  int8_t *out = strip->out;
  for (uint32_t y = 0; y < strip->out_rows; y++) {
    const uint8_t *pixels = strip->pixels + y * op->stride_h * strip->sizes->pitch;
    for (uint32_t x = 0; x < op->out_w; x++, out += op->out_c) {
      uint32_t member = x % strip->sizes->group;
      const uint8_t *group = pixels + (x - member) * op->stride_w * strip->sizes->pixel_bytes;
      for (uint32_t k = 0; k < strip->channels; k++)
        out[k] = output(strip, group, member * strip->channels + k);
    }
  }
}
