/* Products of int16 activations with int8 rows, four rows at a time. */
#ifndef EDGE_KERNELS_FULLY_CONNECTED_WIDE_H
#define EDGE_KERNELS_FULLY_CONNECTED_WIDE_H

#include <stdint.h>

/* sums[k] = x . row k for k < rows; 1 to 4 rows of `depth` lie one behind the other. The others may
 * become anything. */
void edge_dot4_s16(const int16_t *x, const int8_t *weights, uint32_t rows, uint32_t depth,
                   int64_t sums[4]);

#endif
