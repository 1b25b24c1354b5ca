/* Outputs of a matrix's rows from their sums: rescale, zero point, activation range. */
#ifndef EDGE_KERNELS_ROWS_H
#define EDGE_KERNELS_ROWS_H

#include <stdint.h>

/* How sums become outputs, as consecutive fields of a record say; the pair serves all rows where
 * they have none of their own. */
typedef struct edge_rows {
  int32_t multiplier;
  int32_t shift;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} edge_rows_t;

/* out[k] of row + k from sums[k] for k < count; `scales` are {multiplier, shift} by row, or NULL.
 */
void edge_rows(const edge_rows_t *how, const int32_t *scales, uint32_t row, uint32_t count,
               const int32_t *sums, int8_t *out);

#endif
