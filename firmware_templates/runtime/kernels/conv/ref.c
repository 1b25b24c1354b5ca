/* Convolution in plain C: four output channels per pass over a window. */
#include "../check.h"
#include "../dot.h"
#include "../fixed_point.h"
#include "../window.h"
#include "kernel.h"
#include "packed.h"

typedef struct conv {
  const edge_op_conv_t *op;
  const int8_t *input;
  const int8_t *weights;
  const int8_t *pad_row;
  uint32_t depth; /* weights per output channel */
} conv_t;

/* Channels of the input at a tap; the row of zero points outside the image. */
static const int8_t *tap(const conv_t *c, int32_t y, int32_t x) {
  if (y < 0 || x < 0 || (uint32_t)y >= c->op->in_h || (uint32_t)x >= c->op->in_w)
    return c->pad_row;
  return c->input + ((uint32_t)y * c->op->in_w + (uint32_t)x) * c->op->in_c;
}

/* Sums of `lanes` (1 or 4) output channels from `channel` on, window at (y0, x0). */
static void window_sums(const conv_t *c, uint32_t channel, uint32_t lanes, int32_t y0, int32_t x0,
                        int32_t acc[4]) {
  const edge_op_conv_t *op = c->op;
  const int8_t *weights = c->weights + channel * c->depth;
  for (uint32_t ky = 0; ky < op->kernel_h; ky++) {
    for (uint32_t kx = 0; kx < op->kernel_w; kx++, weights += op->in_c) {
      const int8_t *in =
          tap(c, y0 + (int32_t)(ky * op->dilation_h), x0 + (int32_t)(kx * op->dilation_w));
      if (lanes == 4)
        edge_dot4_s8(in, weights, c->depth, op->in_c, acc);
      else
        acc[0] += edge_dot_s8(in, weights, op->in_c);
    }
  }
}

EDGE_RARE static void run_plain(const edge_memory_t *memory, const edge_op_conv_t *op) {
  const conv_t c = {
      op, (const int8_t *)edge_at(memory, op->input), (const int8_t *)edge_at(memory, op->weights),
      (const int8_t *)edge_at(memory, op->pad_row), op->kernel_h * op->kernel_w * op->in_c};
  const int32_t *bias = (const int32_t *)edge_at(memory, op->bias);
  const int32_t *scales = (const int32_t *)edge_at(memory, op->scales);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  for (uint32_t y = 0; y < op->out_h; y++) {
    for (uint32_t x = 0; x < op->out_w; x++, out += op->out_c) {
      int32_t y0 = edge_window_start(y, op->stride_h, op->pad_top);
      int32_t x0 = edge_window_start(x, op->stride_w, op->pad_left);
      uint32_t lanes = 4;
      for (uint32_t channel = 0; channel < op->out_c; channel += lanes) {
        int32_t acc[4] = {0};
        lanes = channel + 4 <= op->out_c ? 4 : 1;
        window_sums(&c, channel, lanes, y0, x0, acc);
        for (uint32_t k = 0; k < lanes; k++) {
          uint32_t o = channel + k;
          out[o] = (int8_t)edge_requantise(edge_wrap_add(acc[k], bias[o]), scales[2 * o],
                                           scales[2 * o + 1], op->zero_point, op->low, op->high);
        }
      }
    }
  }
}

edge_status_t edge_conv_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_conv_t *op = (const edge_op_conv_t *)record;
  if (op->head.variant == 0)
    run_plain(memory, op);
  else
    edge_conv_packed(memory, op);
  return EDGE_OK;
}
