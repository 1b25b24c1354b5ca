/* Fully connected with packed weights: sums of 128 rows at a time, then their outputs. */
#include "../matrix/matrix.h"
#include "../matrix/rows.h"
#include "kernel.h"

void edge_fully_connected_packed(const edge_memory_t *memory, const edge_op_fully_connected_t *op) {
  const edge_matrix_t matrix = edge_matrix_at(memory, op->weights);
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  const int32_t *bias = (const int32_t *)edge_at(memory, op->bias);
  const int32_t *scales = (const int32_t *)edge_at(memory, op->scales);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  int32_t sums[EDGE_BLOCK_ROWS];
  for (uint32_t b = 0; b < op->batches; b++, input += op->depth, out += op->rows) {
    const void *x =
        edge_matrix_prepare(matrix.tile, input, op->depth, edge_at(memory, op->scratch));
    for (uint32_t row = 0; row < op->rows; row += EDGE_BLOCK_ROWS) {
      uint32_t left = op->rows - row;
      uint32_t count = left < EDGE_BLOCK_ROWS ? left : EDGE_BLOCK_ROWS;
      edge_matrix_sums(&matrix, x, bias, row, count, sums);
      edge_rows((const edge_rows_t *)&op->multiplier, scales, row, count, sums, out + row);
    }
  }
}
