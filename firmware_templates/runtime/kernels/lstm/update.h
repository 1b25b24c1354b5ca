/* One LSTM cell's new state from its four gates, in plain C. */
#ifndef EDGE_KERNELS_LSTM_UPDATE_H
#define EDGE_KERNELS_LSTM_UPDATE_H

#include "../fixed_point.h"
#include "edge/plan.h"
#include "gate_curves.h"

/* Updates *cell and returns the new hidden value. */
static inline int8_t edge_lstm_cell(const edge_op_lstm_t *op, const int16_t gates[4],
                                    int16_t *cell) {
  int32_t in = edge_gate_logistic(gates[0]);
  int32_t forget = edge_gate_logistic(gates[1]);
  int32_t candidate = edge_gate_tanh(gates[2], 3);
  int32_t out = edge_gate_logistic(gates[3]);
  int16_t kept = (int16_t)edge_rounding_shift(forget * *cell, 15);
  int16_t added = (int16_t)edge_rounding_shift(in * candidate, 30 - op->cell_fraction);
  int32_t c = edge_clamp(kept + added, -32768, 32767);
  if (op->cell_clip > 0)
    c = edge_clamp(c, -op->cell_clip, op->cell_clip);
  *cell = (int16_t)c;
  int32_t h = out * edge_gate_tanh((int16_t)c, 15 - op->cell_fraction);
  return (int8_t)edge_requantise(h, op->hidden_multiplier, op->hidden_shift, op->hidden_zero_point,
                                 -128, 127);
}

#endif
