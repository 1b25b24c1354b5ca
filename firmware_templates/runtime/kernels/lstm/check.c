/* LSTM: what a record must satisfy. */
#include "../check.h"
#include "kernel.h"
#include "packed.h"

EDGE_RARE static bool weights_ok(const edge_plan_t *plan, const edge_op_lstm_t *op,
                                 edge_ref_t weights, uint32_t depth) {
  return op->head.variant == 0 ? edge_is_const(plan, weights, edge_product2(op->cells, depth), 1)
                               : edge_matrix_ok(plan, weights, op->head.variant, op->cells, depth);
}

EDGE_RARE static bool gates_ok(const edge_plan_t *plan, const edge_op_lstm_t *op) {
  uint32_t step = op->head.variant == 0 ? 1 : edge_tile_rows(op->head.variant);
  uint32_t biases = edge_round_up(op->cells, step);
  for (uint32_t g = 0; g < 4; g++) {
    if (!weights_ok(plan, op, op->input_weights[g], op->inputs) ||
        !weights_ok(plan, op, op->recurrent_weights[g], op->cells) ||
        !edge_is_const(plan, op->input_bias[g], biases, 4) ||
        !edge_is_const(plan, op->recurrent_bias[g], biases, 4))
      return false;
  }
  return true;
}

static uint32_t scratch_bytes_of(const edge_op_lstm_t *op) {
  return op->head.variant == 0 ? 8 * op->cells : edge_lstm_scratch(op).bytes;
}

EDGE_RARE static bool scales_ok(const edge_op_lstm_t *op) {
  for (uint32_t g = 0; g < 4; g++) {
    if (!edge_scale_ok(op->input_multiplier[g], op->input_shift[g]) ||
        !edge_scale_ok(op->recurrent_multiplier[g], op->recurrent_shift[g]))
      return false;
  }
  return edge_scale_ok(op->hidden_multiplier, op->hidden_shift);
}

EDGE_RARE edge_status_t edge_lstm_s8_check(const edge_plan_t *plan, const void *record) {
  const edge_op_lstm_t *op = (const edge_op_lstm_t *)record;
  uint32_t input_bytes = edge_product2(op->steps, op->inputs);
  if (op->cells > EDGE_MAX_DEPTH || op->inputs > EDGE_MAX_DEPTH)
    return EDGE_BAD_OPERATOR;
  if (op->head.variant != 0 && !gates_ok(plan, op))
    return EDGE_BAD_OPERATOR;
  uint32_t cell_bytes = 2 * op->cells;
  uint32_t scratch_bytes = scratch_bytes_of(op);
  if (!edge_out_is(plan, &op->head, EDGE_S8, edge_product2(op->steps, op->cells)) ||
      !edge_may_read(plan, op->input, input_bytes, 1) ||
      !edge_may_write(plan, op->hidden, op->cells, 1) ||
      !edge_may_write(plan, op->cell, op->cells, 2) ||
      !edge_may_write(plan, op->scratch, scratch_bytes / 8, 8) || !gates_ok(plan, op))
    return EDGE_BAD_LAYOUT;
  const edge_ref_t refs[5] = {op->head.out, op->input, op->hidden, op->cell, op->scratch};
  const uint32_t sizes[5] = {op->head.out_bytes, input_bytes, op->cells, cell_bytes, scratch_bytes};
  for (uint32_t i = 0; i < 5; i++) {
    for (uint32_t j = i + 1; j < 5; j++) {
      if (!edge_apart(refs[i], sizes[i], refs[j], sizes[j]))
        return EDGE_BAD_LAYOUT;
    }
  }
  if (!scales_ok(op) || op->cell_fraction < 9 || op->cell_fraction > 15 ||
      !edge_within(op->cell_clip, 0, 32767) || !edge_within(op->hidden_zero_point, -128, 127))
    return EDGE_BAD_OPERATOR;
  return EDGE_OK;
}
