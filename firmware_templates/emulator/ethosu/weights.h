/* The order in which weights lie in a stream.
 *
 * OFM block, IFM block, sub-kernel of 8 x 8 taps; inside depth first (OFM ublock, tap, IFM ublock)
 * or part kernel first (IFM ublock, OFM ublock, tap); then the channels of both ublocks. Blocks and
 * ublocks are filled up with weights that no tap has. As Vela publishes it (weight_compressor.py,
 * mlw_codec). */
#ifndef EDGE_EMULATOR_ETHOSU_WEIGHTS_H
#define EDGE_EMULATOR_ETHOSU_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ethosu/mlw.h"

typedef struct edge_emu_order {
  uint32_t height; /* taps */
  uint32_t width;
  uint32_t inputs; /* 1 for depthwise */
  uint32_t ofm_ublock;
  uint32_t ifm_ublock;
  uint32_t ifm_block;
  uint32_t tap_round; /* taps of a sub-kernel are filled up to a multiple */
  uint32_t sub_height;
  uint32_t sub_width;
  bool depthwise;
  bool part_kernel;
} edge_emu_order_t;

/* Channels of one OFM block, and which of them to keep. */
typedef struct edge_emu_block {
  uint32_t channels;
  uint32_t first;
  uint32_t count;
} edge_emu_block_t;

/* Decode a block. Weight (channel, tap, input) of a kept channel goes to
 * out[channel * channel_step + tap * tap_step + input], counted from the first kept one. False
 * where the stream is damaged or ends. */
bool edge_emu_decode_block(edge_mlw_t *mlw, const edge_emu_order_t *order,
                           const edge_emu_block_t *block, uint32_t channel_step, uint32_t tap_step,
                           int16_t *out);

#endif
