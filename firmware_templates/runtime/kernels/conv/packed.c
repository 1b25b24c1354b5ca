/* Convolution with packed weights: the walk over the output. */
#include "packed.h"

#include "../matrix/rows.h"

/* The outputs of one pixel, by the product that all packed matrices have. */
static void one(const edge_conv_t *c, edge_pixel_t at, int8_t *out) {
  const edge_op_conv_t *op = c->op;
  uint32_t tile = c->matrix.tile;
  int8_t *copy = c->scratch + edge_conv_wide_bytes(op, c->depth);
  bool wide = tile == EDGE_TILE_4X4;
  uint32_t reach = wide ? c->depth : edge_conv_window_bytes(c->depth);
  const void *vector = edge_conv_window(c, at, reach, copy);
  if (wide)
    vector = edge_matrix_prepare(tile, (const int8_t *)vector, c->depth, c->scratch);
  const edge_rows_t how = {0, 0, op->zero_point, op->low, op->high};
  int32_t sums[EDGE_BLOCK_ROWS];
  for (uint32_t row = 0; row < op->out_c; row += EDGE_BLOCK_ROWS) {
    uint32_t left = op->out_c - row;
    uint32_t count = left < EDGE_BLOCK_ROWS ? left : EDGE_BLOCK_ROWS;
    edge_matrix_sums(&c->matrix, vector, c->bias, row, count, sums);
    edge_rows(&how, c->scales, row, count, sums, out + row);
  }
}

static bool is_pointwise(const edge_op_conv_t *op) {
  return op->kernel_h == 1 && op->kernel_w == 1 && op->stride_h == 1 && op->stride_w == 1 &&
         op->pad_top == 0 && op->pad_left == 0 && op->out_h == op->in_h && op->out_w == op->in_w;
}

/* Products stay below 2^14 each, so that 2^14 of them and a bias below 2^29 stay below 2^30. */
EDGE_RARE static bool is_calm(const edge_conv_t *c) {
  const int32_t limit = 1 << 29;
  if (c->depth > 1 << 14)
    return false;
  for (uint32_t row = 0; row < c->op->out_c; row++) {
    if (c->bias[row] >= limit || c->bias[row] <= -limit || c->scales[2 * row + 1] > -2)
      return false;
  }
  return true;
}

/* How many coordinates a window may begin at so that all of it is inside. */
static uint32_t inner(uint32_t size, uint32_t kernel, uint32_t dilation) {
  uint32_t reach = (kernel - 1) * dilation;
  return size > reach ? size - reach : 0;
}

EDGE_RARE static edge_conv_t conv_of(const edge_memory_t *memory, const edge_op_conv_t *op) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  bool spans = op->dilation_w == 1 || op->kernel_w == 1;
  edge_conv_t conv = {.op = op,
                      .matrix = edge_matrix_at(memory, op->weights),
                      .input = input,
                      .end = input + op->in_h * op->in_w * op->in_c,
                      .bias = (const int32_t *)edge_at(memory, op->bias),
                      .scales = (const int32_t *)edge_at(memory, op->scales),
                      .scratch = (int8_t *)edge_at(memory, op->scratch),
                      .depth = op->kernel_h * op->kernel_w * op->in_c,
                      .span = op->kernel_w * op->in_c,
                      .row_bytes = op->in_w * op->in_c,
                      .step = op->dilation_h * op->in_w * op->in_c,
                      .inner_h = inner(op->in_h, op->kernel_h, op->dilation_h),
                      .inner_w = spans ? inner(op->in_w, op->kernel_w, op->dilation_w) : 0,
                      .pointwise = is_pointwise(op)};
  conv.in_a_row = op->kernel_h == 1 || conv.span == conv.step;
  conv.calm = edge_conv_group_of(op) > 1 && is_calm(&conv);
  return conv;
}

void edge_conv_packed(const edge_memory_t *memory, const edge_op_conv_t *op) {
  const edge_conv_t conv = conv_of(memory, op);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t left = op->out_h * op->out_w;
  edge_pixel_t at = {0, 0};
  while (left > 0) {
    uint32_t count = 1;
    if (left >= EDGE_CONV_GROUP && edge_conv_four(&conv, at, out))
      count = EDGE_CONV_GROUP;
    else
      one(&conv, at, out);
    left -= count;
    out += count * op->out_c;
    while (count-- > 0)
      at = edge_conv_next(op, at);
  }
}
