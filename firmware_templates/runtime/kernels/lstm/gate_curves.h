/* Logistic and tanh of int16 fixed-point numbers, exactly as TFLite's LSTM gates compute them. */
#ifndef EDGE_KERNELS_LSTM_GATE_CURVES_H
#define EDGE_KERNELS_LSTM_GATE_CURVES_H

#include <stdint.h>

/* 1 / (1 + exp(-x)) of Q3.12, as Q0.15. */
int16_t edge_gate_logistic(int16_t x);

/* tanh of a number with `integer_bits` (0 to 6) integer bits, as Q0.15. */
int16_t edge_gate_tanh(int16_t x, uint32_t integer_bits);

#endif
