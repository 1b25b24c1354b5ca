/* One dimension of a sliding window, with limits that keep every coordinate inside int32. */
#ifndef EDGE_KERNELS_WINDOW_H
#define EDGE_KERNELS_WINDOW_H

#include "check.h"

typedef struct edge_window {
  uint32_t in;
  uint32_t out;
  uint32_t kernel;
  uint32_t stride;
  uint32_t dilation;
  uint32_t pad; /* before the first element */
} edge_window_t;

static inline bool edge_window_ok(const edge_window_t *w) {
  const uint32_t sizes[5] = {w->in, w->out, w->kernel, w->stride, w->dilation};
  for (uint32_t i = 0; i < 5; i++) {
    if (sizes[i] == 0 || sizes[i] > EDGE_MAX_DIM)
      return false;
  }
  return w->pad <= EDGE_MAX_DIM;
}

/* First input coordinate of output `index`. */
static inline int32_t edge_window_start(uint32_t index, uint32_t stride, uint32_t pad) {
  return (int32_t)(index * stride) - (int32_t)pad;
}

#endif
