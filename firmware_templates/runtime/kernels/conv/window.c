/* Windows as vectors: in place where their values stand in a row, else gathered span by span. */
#include "../window.h"
#include "packed.h"

#if defined(__ARM_FEATURE_MVE)
static inline int8_t *copy(int8_t *to, const int8_t *from, uint32_t count) {
  int8_t *end = to + count;
  __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                   "1: vldrb.u8 q0, [%[from]], #16\n vstrb.u8 q0, [%[to]], #16\n letp lr, 1b\n"
                   "2:\n"
                   : [to] "+r"(to), [from] "+r"(from)
                   : [count] "r"(count)
                   : "lr", "q0", "memory");
  return end;
}

/* `rows` spans of up to 16 bytes; writes 16 bytes for the last one. */
static inline void copy_short(int8_t *to, const int8_t *from, uint32_t span, uint32_t step,
                              uint32_t rows) {
  __asm__ volatile("vctp.8 %[span]\n"
                   "1: vpst\n vldrbt.u8 q0, [%[from]]\n"
                   "vstrb.u8 q0, [%[to]]\n"
                   "add %[from], %[from], %[step]\n add %[to], %[to], %[span]\n"
                   "subs %[rows], #1\n"
                   "bne 1b\n"
                   : [to] "+r"(to), [from] "+r"(from), [rows] "+r"(rows)
                   : [span] "r"(span), [step] "r"(step)
                   : "q0", "cc", "memory");
}

static inline void copy_spans(int8_t *to, const int8_t *from, uint32_t span, uint32_t step,
                              uint32_t rows) {
  if (span <= 16) {
    copy_short(to, from, span, step, rows);
    return;
  }
  for (; rows > 0; rows--, from += step)
    to = copy(to, from, span);
}
#else
static inline int8_t *copy(int8_t *to, const int8_t *from, uint32_t count) {
  for (; count >= 4; count -= 4, to += 4, from += 4)
    __builtin_memcpy(to, from, 4);
  for (; count > 0; count--)
    *to++ = *from++;
  return to;
}

static inline void copy_spans(int8_t *to, const int8_t *from, uint32_t span, uint32_t step,
                              uint32_t rows) {
  for (; rows > 0; rows--, from += step)
    to = copy(to, from, span);
}
#endif

static int8_t *fill(int8_t *to, int32_t value, uint32_t count) {
  for (; count > 0; count--)
    *to++ = (int8_t)value;
  return to;
}

/* A row of taps from column `x` on, whatever of it lies outside. */
static int8_t *copy_row(const edge_conv_t *c, const int8_t *row, int32_t x, int8_t *to) {
  const edge_op_conv_t *op = c->op;
  const int32_t step = (int32_t)op->dilation_w;
  const int32_t width = (int32_t)op->in_w;
  uint32_t taps = op->kernel_w;
  for (; taps > 0 && x < 0; taps--, x += step)
    to = fill(to, op->input_zero_point, op->in_c);
  while (taps > 0 && x < width) {
    uint32_t inside = step > 1 ? 1 : (uint32_t)(width - x);
    inside = inside < taps ? inside : taps;
    to = copy(to, row + (uint32_t)x * op->in_c, inside * op->in_c);
    taps -= inside;
    x += step > 1 ? step : width;
  }
  return fill(to, op->input_zero_point, taps * op->in_c);
}

const int8_t *edge_conv_window(const edge_conv_t *c, edge_pixel_t at, uint32_t reach,
                               int8_t *copied) {
  const edge_op_conv_t *op = c->op;
  const int8_t *from = edge_conv_inside(c, at);
  if (from != NULL) {
    if (c->in_a_row && reach <= (uint32_t)(c->end - from))
      return from;
    copy_spans(copied, from, c->span, c->step, op->kernel_h);
    return copied;
  }
  int32_t y = edge_window_start(at.y, op->stride_h, op->pad_top);
  int32_t x = edge_window_start(at.x, op->stride_w, op->pad_left);
  int8_t *to = copied;
  for (uint32_t k = op->kernel_h; k > 0; k--, y += (int32_t)op->dilation_h) {
    if (y < 0 || (uint32_t)y >= op->in_h)
      to = fill(to, op->input_zero_point, c->span);
    else
      to = copy_row(c, c->input + (uint32_t)y * c->row_bytes, x, to);
  }
  return copied;
}
