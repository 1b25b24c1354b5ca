/* Steps of the LSTM with packed weights that have a Helium form. */
#ifndef EDGE_KERNELS_LSTM_PACKED_H
#define EDGE_KERNELS_LSTM_PACKED_H

#include "../matrix/matrix.h"

/* Gates of a block of cells: input, forget, candidate, output. */
typedef int16_t edge_gates_t[4][EDGE_BLOCK_ROWS];

/* Where the copies of input and hidden lie in the scratch, and its size. */
typedef struct edge_lstm_scratch {
  uint32_t input;
  uint32_t hidden;
  uint32_t bytes;
} edge_lstm_scratch_t;

static inline edge_lstm_scratch_t edge_lstm_scratch(const edge_op_lstm_t *op) {
  edge_lstm_scratch_t at = {.input = sizeof(edge_gates_t)};
  at.hidden = at.input + edge_matrix_scratch(op->head.variant, op->inputs);
  at.bytes = at.hidden + edge_matrix_scratch(op->head.variant, op->cells);
  return at;
}

void edge_lstm_packed(const edge_memory_t *memory, const edge_op_lstm_t *op);

/* gate[k] = saturate(gate[k] + rescale(sums[k])) for k < count; `first` starts from 0. */
void edge_lstm_gate(int16_t *gate, const int32_t *sums, uint32_t count, int32_t multiplier,
                    int32_t shift, bool first);

/* New cell[k] and hidden[k] for k < count, from gates[g][k] of these cells, which may be lost. */
void edge_lstm_update(const edge_op_lstm_t *op, int16_t *const gates[4], uint32_t count,
                      int16_t *cell, int8_t *hidden);

#endif
