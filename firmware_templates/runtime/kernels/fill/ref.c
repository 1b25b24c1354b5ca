/* Fill in plain C. */
#include "../check.h"
#include "kernel.h"

edge_status_t edge_fill_run(const edge_memory_t *memory, const void *record) {
  const edge_op_fill_t *op = (const edge_op_fill_t *)record;
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  for (uint32_t i = 0; i < op->count; i++) {
    for (uint32_t k = 0; k < op->width; k++)
      *out++ = (uint8_t)((uint32_t)op->value >> (8 * k));
  }
  return EDGE_OK;
}
