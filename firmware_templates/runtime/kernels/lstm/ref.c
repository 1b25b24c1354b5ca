/* TFLite's 8x8_16 LSTM in plain C, one time step after another. */
#include <string.h>

#include "../check.h"
#include "../dot.h"
#include "../fixed_point.h"
#include "kernel.h"
#include "packed.h"

/* gate[r] = saturate(gate[r] + rescale(bias[r] + weights[r] . x)); the first call of a step
 * starts from 0. */
EDGE_RARE static void accumulate(int16_t *gate, const int8_t *x, uint32_t depth,
                                 const int8_t *weights, const int32_t *bias, uint32_t cells,
                                 int32_t multiplier, int32_t shift) {
  uint32_t row = 0;
  for (; row + 4 <= cells; row += 4) {
    int32_t acc[4] = {0};
    edge_dot4_s8(x, weights + row * depth, depth, depth, acc);
    for (uint32_t k = 0; k < 4; k++)
      gate[row + k] = (int16_t)edge_requantise(edge_wrap_add(acc[k], bias[row + k]), multiplier,
                                               shift, gate[row + k], -32768, 32767);
  }
  for (; row < cells; row++) {
    int32_t acc = edge_dot_s8(x, weights + row * depth, depth);
    gate[row] = (int16_t)edge_requantise(edge_wrap_add(acc, bias[row]), multiplier, shift,
                                         gate[row], -32768, 32767);
  }
}

EDGE_RARE static void run_plain(const edge_memory_t *memory, const edge_op_lstm_t *op) {
  const int8_t *input = (const int8_t *)edge_at(memory, op->input);
  int8_t *hidden = (int8_t *)edge_at(memory, op->hidden);
  int16_t *cell = (int16_t *)edge_at(memory, op->cell);
  int16_t *gates = (int16_t *)edge_at(memory, op->scratch);
  int8_t *out = (int8_t *)edge_at(memory, op->head.out);
  uint32_t n = op->cells;
  int16_t *const by_gate[4] = {gates, gates + n, gates + 2 * n, gates + 3 * n};
  for (uint32_t t = 0; t < op->steps; t++, input += op->inputs, out += n) {
    memset(gates, 0, 8 * n);
    for (uint32_t g = 0; g < 4; g++) {
      accumulate(gates + g * n, input, op->inputs,
                 (const int8_t *)edge_at(memory, op->input_weights[g]),
                 (const int32_t *)edge_at(memory, op->input_bias[g]), n, op->input_multiplier[g],
                 op->input_shift[g]);
      accumulate(gates + g * n, hidden, n,
                 (const int8_t *)edge_at(memory, op->recurrent_weights[g]),
                 (const int32_t *)edge_at(memory, op->recurrent_bias[g]), n,
                 op->recurrent_multiplier[g], op->recurrent_shift[g]);
    }
    edge_lstm_update(op, by_gate, n, cell, hidden);
    memcpy(out, hidden, n);
  }
}

edge_status_t edge_lstm_s8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_lstm_t *op = (const edge_op_lstm_t *)record;
  if (op->head.variant == 0)
    run_plain(memory, op);
  else
    edge_lstm_packed(memory, op);
  return EDGE_OK;
}
