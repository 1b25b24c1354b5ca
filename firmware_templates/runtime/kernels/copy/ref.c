/* Strided copy in plain C; a dense innermost row is one memcpy. */
#include <string.h>

#include "../check.h"
#include "kernel.h"

static void copy_row(const edge_op_copy_t *op, const uint8_t *in, uint8_t *out) {
  uint32_t width = op->width;
  uint32_t in_stride = op->in_strides[3];
  uint32_t out_stride = op->out_strides[3];
  uint32_t count = op->dims[3];
  if (in_stride == width && out_stride == width) {
    memcpy(out, in, count * width);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    for (uint32_t k = 0; k < width; k++)
      out[i * out_stride + k] = in[i * in_stride + k];
  }
}

edge_status_t edge_copy_run(const edge_memory_t *memory, const void *record) {
  const edge_op_copy_t *op = (const edge_op_copy_t *)record;
  const uint8_t *in = (const uint8_t *)edge_at(memory, op->input);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out) + op->out_start;
  const uint32_t *is = op->in_strides;
  const uint32_t *os = op->out_strides;
  for (uint32_t i = 0; i < op->dims[0]; i++) {
    for (uint32_t j = 0; j < op->dims[1]; j++) {
      for (uint32_t k = 0; k < op->dims[2]; k++)
        copy_row(op, in + i * is[0] + j * is[1] + k * is[2],
                 out + i * os[0] + j * os[1] + k * os[2]);
    }
  }
  return EDGE_OK;
}
