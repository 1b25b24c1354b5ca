/* Requantisation in plain C. */
#include "../check.h"
#include "../fixed_point.h"
#include "kernel.h"
#include "row.h"

static int32_t load(const void *data, uint32_t dtype, uint32_t i) {
  switch (dtype) {
  case EDGE_S8:
    return ((const int8_t *)data)[i];
  case EDGE_U8:
    return ((const uint8_t *)data)[i];
  case EDGE_S16:
    return ((const int16_t *)data)[i];
  default:
    return ((const int32_t *)data)[i];
  }
}

static void store(void *data, uint32_t dtype, uint32_t i, int32_t value) {
  switch (dtype) {
  case EDGE_S8:
    ((int8_t *)data)[i] = (int8_t)edge_clamp(value, -128, 127);
    break;
  case EDGE_U8:
    ((uint8_t *)data)[i] = (uint8_t)edge_clamp(value, 0, 255);
    break;
  case EDGE_S16:
    ((int16_t *)data)[i] = (int16_t)edge_clamp(value, -32768, 32767);
    break;
  default:
    ((int32_t *)data)[i] = value;
    break;
  }
}

edge_status_t edge_requantise_run(const edge_memory_t *memory, const void *record) {
  const edge_op_requantise_t *op = (const edge_op_requantise_t *)record;
  const void *input = edge_at(memory, op->input);
  void *out = edge_at(memory, op->head.out);
  if (EDGE_REQUANTISE_ROW(op, input, out))
    return EDGE_OK;
  for (uint32_t i = 0; i < op->count; i++) {
    int32_t value = edge_wrap_add(load(input, op->input_dtype, i), -op->input_zero_point);
    value = edge_rescale(value, op->multiplier, op->shift);
    store(out, op->head.out_dtype, i, edge_wrap_add(value, op->zero_point));
  }
  return EDGE_OK;
}
