/* Depthwise convolution with packed weights (docs/image.md, "Packed depthwise convolutions").
 *
 * Channels are cut into blocks of as many lanes as a class of cores takes in a pass. The rows of a
 * strip are copied to scratch block by block, padded with the input's zero point, so that windows
 * lie inside whatever the padding and lanes stand side by side whatever the channels. Every build
 * runs every form: its own by its instruction set, the others in plain C. */
#ifndef EDGE_KERNELS_DEPTHWISE_PACKED_H
#define EDGE_KERNELS_DEPTHWISE_PACKED_H

#include "../check.h"

#define EDGE_DEPTHWISE_4 1u  /* for the DSP extension */
#define EDGE_DEPTHWISE_16 2u /* for Helium */
#define EDGE_STRIP_BYTES 8192u
#define EDGE_DEPTHWISE_LEAST_SHIFT (-22)

/* A block begins with these, in the order of edge_lane_at. */
typedef struct edge_block4 {
  int32_t twice_bias[4];
  int32_t multiplier[4];
  int32_t rounding[4]; /* 2^(right - 1) + the output's zero point * 2^right */
  int32_t right[4];
  int16_t twice_weights[][4]; /* of each tap */
} edge_block4_t;

typedef struct edge_block16 {
  int32_t bias[16];
  int32_t multiplier[16];
  int32_t shift[16];
  int8_t weights[][16]; /* of each tap, channel by channel */
} edge_block16_t;

/* Sizes that follow from a record; those in bytes are of scratch but for block_bytes. */
typedef struct edge_strips {
  uint32_t lanes;
  uint32_t group; /* neighbouring outputs in one block of lanes, where they have few channels */
  uint32_t pixel_bytes;
  uint32_t columns; /* that windows reach, of the first output of each group */
  uint32_t pitch;   /* of a row */
  uint32_t rows;    /* of a strip, at most */
  uint32_t reach;   /* rows of a window */
  uint32_t block_bytes;
} edge_strips_t;

/* One block's channels in one strip. */
typedef struct edge_strip {
  const edge_op_conv_t *op;
  const edge_strips_t *sizes;
  const void *block;
  uint8_t *pixels;
  int8_t *out;       /* first output of the block's first channel */
  uint32_t out_rows; /* in the strip */
  uint32_t channel;  /* first of the block */
  uint32_t channels; /* of the block and of a pixel, not more than lanes */
  uint32_t member;   /* of the group, whose pixels are copied */
} edge_strip_t;

edge_strips_t edge_strips_of(const edge_op_conv_t *op);

/* Where lane k's parameters stand: by four, for vectors that narrow in pairs of pairs. */
static inline uint32_t edge_lane_at(uint32_t lanes, uint32_t k) {
  uint32_t quarter = k % 4 == 1 ? 2 : k % 4 == 2 ? 1 : k % 4;
  return lanes / 4 * quarter + k / 4;
}

void edge_depthwise_packed(const edge_memory_t *memory, const edge_op_conv_t *op);

/* `rows` rows of `count` pixels of the image, from `in` to the member's lanes of `pixels`. */
typedef struct edge_part {
  const int8_t *in;
  uint8_t *pixels;
  uint32_t rows;
  uint32_t count;
} edge_part_t;

void edge_strip_copy_ref(const edge_strip_t *strip, const edge_part_t *part);
void edge_strip_copy_own(const edge_strip_t *strip, const edge_part_t *part);

/* The strip's outputs. */
void edge_strip_run_ref(const edge_strip_t *strip);
void edge_strip_run_own(const edge_strip_t *strip);

#endif
