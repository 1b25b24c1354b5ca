/* The largest of an area's pixels, channel by channel. */
#ifndef EDGE_KERNELS_POOL_LARGEST_H
#define EDGE_KERNELS_POOL_LARGEST_H

#include "../sums/sums.h"
#include "kernel.h"

/* `channels` of the operator from the area's first pixel `at`, inside the operator's range. */
void edge_largest(const edge_op_pool_t *op, const int8_t *at, const edge_area_t *area, int8_t *out);

#endif
