/* Table look-up in plain C. */
#include "../check.h"
#include "kernel.h"

#if !defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

edge_status_t edge_lut_8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_lut_t *op = (const edge_op_lut_t *)record;
  const uint8_t *input = (const uint8_t *)edge_at(memory, op->input);
  const uint8_t *table = (const uint8_t *)edge_at(memory, op->table);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  uint32_t flip = op->flip;
  for (uint32_t i = 0; i < op->count; i++)
    out[i] = table[input[i] ^ flip];
  return EDGE_OK;
}

#endif
