/* Gates and cells of the LSTM with packed weights, in plain C. */
#include "packed.h"
#include "update.h"

#if !defined(__ARM_FEATURE_MVE)

void edge_lstm_gate(int16_t *gate, const int32_t *sums, uint32_t count, int32_t multiplier,
                    int32_t shift, bool first) {
  for (uint32_t k = 0; k < count; k++)
    gate[k] =
        (int16_t)edge_requantise(sums[k], multiplier, shift, first ? 0 : gate[k], -32768, 32767);
}

void edge_lstm_update(const edge_op_lstm_t *op, edge_gates_t gates, uint32_t count, int16_t *cell,
                      int8_t *hidden) {
  for (uint32_t k = 0; k < count; k++) {
    const int16_t own[4] = {gates[0][k], gates[1][k], gates[2][k], gates[3][k]};
    hidden[k] = edge_lstm_cell(op, own, &cell[k]);
  }
}

#endif
