#include "ethosu/weights.h"

#include <stddef.h>
#include <string.h>

typedef struct walk {
  edge_mlw_t *mlw;
  const edge_emu_order_t *order;
  const edge_emu_block_t *block;
  uint32_t channel_step;
  uint32_t tap_step;
  int16_t *out;
  uint32_t first_y; /* of the sub-kernel */
  uint32_t first_x;
  uint32_t height;
  uint32_t width;
  uint32_t taps; /* filled up */
} walk_t;

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint32_t quotient_up(uint32_t a, uint32_t b) { return (a + b - 1u) / b; }

/* The channels of one pair of ublocks for one tap; a tap beyond the kernel is only filling. */
static bool read_ublocks(const walk_t *w, uint32_t channel, uint32_t input, uint32_t y,
                         uint32_t x) {
  const edge_emu_order_t *order = w->order;
  uint32_t inputs = order->depthwise ? 1u : order->ifm_ublock;
  const int16_t *from = edge_mlw_take(w->mlw, order->ofm_ublock * inputs);
  if (from == NULL) {
    return false;
  }
  if (y >= w->height || input >= order->inputs) {
    return true;
  }
  uint32_t tap = (w->first_y + y) * order->width + w->first_x + x;
  size_t bytes = least(inputs, order->inputs - input) * sizeof *from;
  int16_t *to = w->out + (size_t)tap * w->tap_step + input;
  uint32_t end = w->block->first + w->block->count;
  for (uint32_t i = 0; i < order->ofm_ublock; i++, from += inputs) {
    uint32_t c = channel + i;
    if (c >= w->block->first && c < end) {
      int16_t *place = to + (size_t)(c - w->block->first) * w->channel_step;
      if (bytes == 8u * sizeof *from) {
        memcpy(place, from, 8u * sizeof *from);
      } else {
        memcpy(place, from, bytes);
      }
    }
  }
  return true;
}

static bool part_kernel_first(const walk_t *w, uint32_t input, uint32_t end) {
  for (; input < end; input += w->order->ifm_ublock) {
    for (uint32_t c = 0; c < w->block->channels; c += w->order->ofm_ublock) {
      for (uint32_t tap = 0; tap < w->taps; tap++) {
        if (!read_ublocks(w, c, input, tap / w->width, tap % w->width)) {
          return false;
        }
      }
    }
  }
  return true;
}

static bool depth_first(const walk_t *w, uint32_t first, uint32_t end) {
  for (uint32_t c = 0; c < w->block->channels; c += w->order->ofm_ublock) {
    for (uint32_t tap = 0; tap < w->taps; tap++) {
      uint32_t y = tap / w->width;
      uint32_t x = tap % w->width;
      for (uint32_t input = first; input < end; input += w->order->ifm_ublock) {
        if (!read_ublocks(w, c, input, y, x)) {
          return false;
        }
      }
    }
  }
  return true;
}

static bool read_sub_kernel(walk_t *w, uint32_t input) {
  const edge_emu_order_t *order = w->order;
  w->height = least(order->height - w->first_y, order->sub_height);
  w->width = least(order->width - w->first_x, order->sub_width);
  w->taps = quotient_up(w->height * w->width, order->tap_round) * order->tap_round;
  if (order->part_kernel && !order->depthwise) {
    return part_kernel_first(w, input, input + least(order->ifm_block, order->inputs - input));
  }
  return depth_first(w, input, input + (order->depthwise ? 1u : order->ifm_block));
}

bool edge_emu_decode_block(edge_mlw_t *mlw, const edge_emu_order_t *order,
                           const edge_emu_block_t *block, uint32_t channel_step, uint32_t tap_step,
                           int16_t *out) {
  walk_t w = {mlw, order, block, channel_step, tap_step, out, 0, 0, 0, 0, 0};
  for (uint32_t input = 0; input < order->inputs; input += order->ifm_block) {
    for (w.first_y = 0; w.first_y < order->height; w.first_y += order->sub_height) {
      for (w.first_x = 0; w.first_x < order->width; w.first_x += order->sub_width) {
        if (!read_sub_kernel(&w, input)) {
          return false;
        }
      }
    }
  }
  return true;
}
