/* Convolution with packed weights: windows as vectors, four output pixels at a time. */
#ifndef EDGE_KERNELS_CONV_PACKED_H
#define EDGE_KERNELS_CONV_PACKED_H

#include "../matrix/matrix.h"

#define EDGE_CONV_GROUP 4u /* pixels that share a pass over dense int8 weights */
#define EDGE_CONV_ROWS 32u /* rows whose sums for such pixels are held at once */

/* A run: where things lie, and what follows from the record. */
typedef struct edge_conv {
  const edge_op_conv_t *op;
  edge_matrix_t matrix;
  const int8_t *input;
  const int8_t *end; /* of the input */
  const int32_t *bias;
  const int32_t *scales;
  int8_t *scratch;
  uint32_t depth;     /* of a window */
  uint32_t span;      /* of it, that may stand in a row */
  uint32_t row_bytes; /* of the input */
  uint32_t step;      /* from one row of taps to the next, in bytes of the input */
  uint32_t inner_h;   /* windows of spans that begin at rows and columns below these are inside */
  uint32_t inner_w;
  bool in_a_row;  /* such windows need no copy */
  bool pointwise; /* windows are the pixels of the input, one after the other */
  bool calm;      /* no sum reaches 2^30, and every shift is -2 or less */
} edge_conv_t;

/* Bytes of a copied window and of the whole scratch, multiples of 16. Vectors of the DSP extension,
 * widened and, where pixels go in groups, interleaved, come first; then copies of windows, and 16
 * bytes, as copies may write so many too much. */
static inline uint32_t edge_conv_window_bytes(uint32_t depth) { return edge_round_up(depth, 16); }

static inline uint32_t edge_conv_group_of(const edge_op_conv_t *op) {
  return op->out_h * op->out_w < EDGE_CONV_GROUP ? 1 : EDGE_CONV_GROUP;
}

static inline uint32_t edge_conv_wide_bytes(const edge_op_conv_t *op, uint32_t depth) {
  if (op->head.variant != EDGE_TILE_4X4)
    return 0;
  return edge_round_up(2 * edge_conv_group_of(op) * edge_round_up(depth, 4), 16);
}

static inline uint32_t edge_conv_scratch(const edge_op_conv_t *op, uint32_t depth) {
  uint32_t copies = op->head.variant == EDGE_TILE_4X4 ? 1 : edge_conv_group_of(op);
  return edge_conv_wide_bytes(op, depth) + copies * edge_conv_window_bytes(depth) + 16;
}

void edge_conv_packed(const edge_memory_t *memory, const edge_op_conv_t *op);

/* Of the output. */
typedef struct edge_pixel {
  uint32_t y;
  uint32_t x;
} edge_pixel_t;

/* From left to right, then from top to bottom. */
static inline edge_pixel_t edge_conv_next(const edge_op_conv_t *op, edge_pixel_t at) {
  if (++at.x == op->out_w) {
    at.x = 0;
    at.y++;
  }
  return at;
}

/* The first value under the window of an output pixel where all of it is inside the image and is
 * made of spans `step` apart; else NULL. */
static inline const int8_t *edge_conv_inside(const edge_conv_t *c, edge_pixel_t at) {
  uint32_t y = at.y * c->op->stride_h - c->op->pad_top;
  uint32_t x = at.x * c->op->stride_w - c->op->pad_left;
  if (y >= c->inner_h || x >= c->inner_w)
    return NULL;
  return c->input + y * c->row_bytes + x * c->op->in_c;
}

/* The values under a window, of which `reach` may be read: in place, or copied to `copy`. */
const int8_t *edge_conv_window(const edge_conv_t *conv, edge_pixel_t at, uint32_t reach,
                               int8_t *copy);

/* The same in place, where windows are the pixels of the input and `reach` stays inside it; else
 * NULL. */
static inline const int8_t *edge_conv_pixel(const edge_conv_t *c, edge_pixel_t at, uint32_t reach) {
  if (!c->pointwise)
    return NULL;
  const int8_t *x = c->input + (at.y * c->op->out_w + at.x) * c->depth;
  return reach <= (uint32_t)(c->end - x) ? x : NULL;
}

/* The outputs of four pixels from `at` on; false where this core has no fast form of such weights.
 */
bool edge_conv_four(const edge_conv_t *conv, edge_pixel_t at, int8_t *out);

#endif
