/* Gather in plain C. Indices come from the graph's input, so they are checked on every run. */
#include <string.h>

#include "../check.h"
#include "kernel.h"

edge_status_t edge_gather_run(const edge_memory_t *memory, const void *record) {
  const edge_op_gather_t *op = (const edge_op_gather_t *)record;
  const uint8_t *table = (const uint8_t *)edge_at(memory, op->table);
  const int32_t *indices = (const int32_t *)edge_at(memory, op->indices);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  for (uint32_t i = 0; i < op->count; i++) {
    if (indices[i] < 0 || (uint32_t)indices[i] >= op->rows)
      return EDGE_BAD_ARGUMENT;
    memcpy(out + i * op->row_bytes, table + (uint32_t)indices[i] * op->row_bytes, op->row_bytes);
  }
  return EDGE_OK;
}
