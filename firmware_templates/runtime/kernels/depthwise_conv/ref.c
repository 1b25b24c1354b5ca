/* Depthwise convolution in plain C. */
#include "../check.h"
#include "../fixed_point.h"
#include "../window.h"
#include "kernel.h"
#include "packed.h"

/* Taps [first, last) of a window that lie inside the image. */
typedef struct taps {
  uint32_t first;
  uint32_t last;
} taps_t;

static taps_t inside(int32_t start, uint32_t kernel, uint32_t dilation, uint32_t size) {
  int32_t step = (int32_t)dilation;
  int32_t first = start < 0 ? (-start + step - 1) / step : 0;
  int32_t last = (int32_t)size > start ? ((int32_t)size - start + step - 1) / step : 0;
  taps_t taps = {(uint32_t)first, last < (int32_t)kernel ? (uint32_t)last : kernel};
  return taps;
}

EDGE_RARE static void run_plain(const edge_memory_t *memory, const edge_op_conv_t *op) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int8_t *weights = (const int8_t *)edge_at(memory, op->weights);
  const int32_t *bias = (const int32_t *)edge_at(memory, op->bias);
  const int32_t *scales = (const int32_t *)edge_at(memory, op->scales);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t repeats = op->out_c / op->in_c;
  for (uint32_t y = 0; y < op->out_h; y++) {
    int32_t y0 = edge_window_start(y, op->stride_h, op->pad_top);
    taps_t ty = inside(y0, op->kernel_h, op->dilation_h, op->in_h);
    for (uint32_t x = 0; x < op->out_w; x++, out += op->out_c) {
      int32_t x0 = edge_window_start(x, op->stride_w, op->pad_left);
      taps_t tx = inside(x0, op->kernel_w, op->dilation_w, op->in_w);
      for (uint32_t o = 0; o < op->out_c; o++) {
        int32_t acc = 0;
        for (uint32_t ky = ty.first; ky < ty.last; ky++) {
          uint32_t in_y = (uint32_t)(y0 + (int32_t)(ky * op->dilation_h));
          for (uint32_t kx = tx.first; kx < tx.last; kx++) {
            uint32_t in_x = (uint32_t)(x0 + (int32_t)(kx * op->dilation_w));
            int32_t value = input[(in_y * op->in_w + in_x) * op->in_c + o / repeats];
            acc +=
                (value - op->input_zero_point) * weights[(ky * op->kernel_w + kx) * op->out_c + o];
          }
        }
        out[o] = (int8_t)edge_requantise(edge_wrap_add(acc, bias[o]), scales[2 * o],
                                         scales[2 * o + 1], op->zero_point, op->low, op->high);
      }
    }
  }
}

edge_status_t edge_depthwise_conv_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_conv_t *op = (const edge_op_conv_t *)record;
  if (op->head.variant == 0)
    run_plain(memory, op);
  else
    edge_depthwise_packed(memory, op);
  return EDGE_OK;
}
