/* Gates and cells of the LSTM in plain C. */
#include "../fixed_point.h"
#include "gate_curves.h"
#include "packed.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

void edge_lstm_gate(int16_t *gate, const int32_t *sums, uint32_t count, int32_t multiplier,
                    int32_t shift, bool first) {
  for (uint32_t k = 0; k < count; k++)
    gate[k] =
        (int16_t)edge_requantise(sums[k], multiplier, shift, first ? 0 : gate[k], -32768, 32767);
}

void edge_lstm_update(const edge_op_lstm_t *op, int16_t *const gates[4], uint32_t count,
                      int16_t *cell, int8_t *hidden) {
  for (uint32_t k = 0; k < count; k++) {
    int32_t in = edge_gate_logistic(gates[0][k]);
    int32_t forget = edge_gate_logistic(gates[1][k]);
    int32_t candidate = edge_gate_tanh(gates[2][k], 3);
    int32_t out = edge_gate_logistic(gates[3][k]);
    int16_t kept = (int16_t)edge_rounding_shift(forget * cell[k], 15);
    int16_t added = (int16_t)edge_rounding_shift(in * candidate, 30 - op->cell_fraction);
    int32_t c = edge_clamp(kept + added, -32768, 32767);
    if (op->cell_clip > 0)
      c = edge_clamp(c, -op->cell_clip, op->cell_clip);
    cell[k] = (int16_t)c;
    int32_t h = out * edge_gate_tanh((int16_t)c, 15 - op->cell_fraction);
    hidden[k] = (int8_t)edge_requantise(h, op->hidden_multiplier, op->hidden_shift,
                                        op->hidden_zero_point, -128, 127);
  }
}

#endif
