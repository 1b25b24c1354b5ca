/* Sums over the pixels of an area, of channels that lie side by side. */
#ifndef EDGE_KERNELS_SUMS_H
#define EDGE_KERNELS_SUMS_H

#include <stdint.h>

typedef struct edge_area {
  uint32_t rows;
  uint32_t row_step; /* elements from a row to the next */
  uint32_t columns;
  uint32_t column_step; /* elements from a pixel to the next */
} edge_area_t;

/* Channels that edge_sums takes at most. */
#define EDGE_SUMS 8u

/* Pixels whose sum fits 16 bits: 256 * -128 = -2^15. */
#define EDGE_SUM_PIXELS 256u

/* sums[k] = start + channel k over all pixels, for k < count; the rest of sums is undefined. */
void edge_sums(const int8_t *at, const edge_area_t *area, uint32_t count, int32_t start,
               int32_t sums[EDGE_SUMS]);

#endif
