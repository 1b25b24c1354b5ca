/* LSTM with packed weights: 128 cells at a time through all four gates, so that the gates of the
 * others need no memory. The new hidden state is made in the output and copied when it is whole. */
#include "packed.h"

#include <string.h>

/* Products of one vector with the four gates' matrices. */
typedef struct side {
  edge_matrix_t matrices[4];
  const int32_t *bias[4];
  const int32_t *multiplier;
  const int32_t *shift;
} side_t;

/* Once a run: small, not fast. */
EDGE_RARE static side_t side_of(const edge_memory_t *memory, const edge_ref_t weights[4],
                                const edge_ref_t bias[4], const int32_t *multiplier,
                                const int32_t *shift) {
  side_t side = {.multiplier = multiplier, .shift = shift};
  for (uint32_t g = 0; g < 4; g++) {
    side.matrices[g] = edge_matrix_at(memory, weights[g]);
    side.bias[g] = (const int32_t *)edge_at(memory, bias[g]);
  }
  return side;
}

static __attribute__((noinline)) void add(const side_t *side, const void *x, uint32_t row,
                                          uint32_t count, edge_gates_t gates, bool first) {
  int32_t sums[EDGE_BLOCK_ROWS];
  for (uint32_t g = 0; g < 4; g++) {
    edge_matrix_sums(&side->matrices[g], x, side->bias[g], row, count, sums);
    edge_lstm_gate(gates[g], sums, count, side->multiplier[g], side->shift[g], first);
  }
}

void edge_lstm_packed(const edge_memory_t *memory, const edge_op_lstm_t *op) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  int8_t *hidden = (int8_t *)edge_at(memory, op->hidden);
  int16_t *cell = (int16_t *)edge_at(memory, op->cell);
  uint8_t *scratch = (uint8_t *)edge_at(memory, op->scratch);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  int16_t (*gates)[EDGE_BLOCK_ROWS] = (int16_t (*)[EDGE_BLOCK_ROWS])(void *)scratch;
  const edge_lstm_scratch_t at = edge_lstm_scratch(op);
  const side_t from_input =
      side_of(memory, op->input_weights, op->input_bias, op->input_multiplier, op->input_shift);
  const side_t recurrent = side_of(memory, op->recurrent_weights, op->recurrent_bias,
                                   op->recurrent_multiplier, op->recurrent_shift);
  uint32_t tile = op->head.variant;
  for (uint32_t t = 0; t < op->steps; t++, input += op->inputs, out += op->cells) {
    const void *x = edge_matrix_prepare(tile, input, op->inputs, scratch + at.input);
    const void *h = edge_matrix_prepare(tile, hidden, op->cells, scratch + at.hidden);
    for (uint32_t row = 0; row < op->cells; row += EDGE_BLOCK_ROWS) {
      uint32_t left = op->cells - row;
      uint32_t count = left < EDGE_BLOCK_ROWS ? left : EDGE_BLOCK_ROWS;
      add(&from_input, x, row, count, gates, true);
      add(&recurrent, h, row, count, gates, false);
      int16_t *const own[4] = {gates[0], gates[1], gates[2], gates[3]};
      edge_lstm_update(op, own, count, cell + row, out + row);
    }
    memcpy(hidden, out, op->cells);
  }
}
