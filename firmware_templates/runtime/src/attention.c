#include "edge/attention.h"

#include <stddef.h>
#include <string.h>

#include "bias_table.h"
#include "edge/image.h"
#include "edge/kernels.h"
#include "load.h"

#define EMPTY_MARK INT8_MIN

static bool is_s8(const edge_tensor_t *t, uint32_t rank) {
  return t->dtype == EDGE_S8 && t->rank == rank;
}

static bool same_values(const edge_tensor_t *a, const edge_tensor_t *b) {
  return memcmp(&a->scale, &b->scale, sizeof a->scale) == 0 && a->zero_point == b->zero_point;
}

EDGE_RARE edge_status_t edge_attention_open(edge_attention_t *a, const edge_graph_t *adapter,
                                            uint32_t encoder_out_bytes) {
  edge_tensor_t in, keys, values, out;
  *a = (edge_attention_t){0};
  if (adapter->input_count != 3 || adapter->output_count != 1 ||
      edge_graph_input(adapter, 0, &in) != EDGE_OK ||
      edge_graph_input(adapter, 1, &keys) != EDGE_OK ||
      edge_graph_input(adapter, 2, &values) != EDGE_OK ||
      edge_graph_output(adapter, 0, &out) != EDGE_OK || !is_s8(&keys, 3) || !is_s8(&values, 3) ||
      in.dtype != EDGE_S8 || in.bytes != encoder_out_bytes || out.dtype != EDGE_S8 ||
      out.bytes != encoder_out_bytes || !same_values(&in, &out)) {
    return EDGE_BAD_LAYOUT;
  }
  const uint32_t heads = keys.dims[0], rows = keys.dims[1], width = keys.dims[2];
  if (heads < 1 || heads > EDGE_ATTENTION_MAX_HEADS || rows < 2 || rows > EDGE_ATTENTION_MAX_ROWS ||
      width < 2 || width > EDGE_ATTENTION_MAX_WIDTH || values.dims[0] != heads ||
      values.dims[1] != width || values.dims[2] != rows || keys.zero_point != 0 ||
      values.zero_point != 0) {
    return EDGE_BAD_LAYOUT;
  }
  *a = (edge_attention_t){.heads = heads,
                          .rows = rows,
                          .width = width,
                          .adapter_crc = edge_crc32(0, adapter->section, adapter->section_bytes)};
  return EDGE_OK;
}

/* A whole input in the state block. */
EDGE_RARE static int8_t *state_input(const edge_graph_t *adapter, uint32_t index) {
  edge_tensor_t tensor;
  if (edge_graph_input(adapter, index, &tensor) != EDGE_OK || adapter->state == NULL) {
    return NULL;
  }
  const uintptr_t at = (uintptr_t)tensor.data, begin = (uintptr_t)adapter->state;
  const bool inside = at >= begin && at - begin < adapter->state_bytes;
  return inside ? tensor.data : NULL;
}

EDGE_RARE edge_status_t edge_attention_bind(edge_attention_t *a, const edge_graph_t *adapter) {
  a->keys = state_input(adapter, 1);
  a->values = state_input(adapter, 2);
  return a->keys != NULL && a->values != NULL ? EDGE_OK : EDGE_BAD_LAYOUT;
}

static uint32_t row_bytes(const edge_attention_t *a) { return 2 * a->heads * a->width; }

EDGE_RARE edge_status_t edge_attention_table_open(edge_bias_table_t *t, const uint8_t *data,
                                                  uint32_t size, const edge_attention_t *a) {
  *t = (edge_bias_table_t){0};
  if (size < EDGE_TABLE_HEADER_BYTES) {
    return EDGE_TRUNCATED;
  }
  if (edge_load_u32(data) != EDGE_ATTENTION_MAGIC) {
    return EDGE_BAD_MAGIC;
  }
  if (a->rows == 0 || edge_load_u32(data + 16) != row_bytes(a) ||
      edge_load_u32(data + 20) != a->adapter_crc) {
    return EDGE_FOREIGN;
  }
  const uint32_t rows = edge_load_u32(data + 8);
  if (rows < 1) {
    return EDGE_BAD_LAYOUT;
  }
  if (rows > a->rows) {
    return EDGE_NO_MEMORY;
  }
  const uint32_t used = EDGE_TABLE_HEADER_BYTES + rows * row_bytes(a);
  const uint32_t bytes = (used + 15u) & ~15u;
  if (edge_load_u32(data + 4) != bytes || size > bytes) {
    return EDGE_BAD_LAYOUT;
  }
  if (size < bytes) {
    return EDGE_TRUNCATED;
  }
  if (!edge_table_head_valid(data) || !edge_all_zero(data + used, bytes - used)) {
    return EDGE_BAD_LAYOUT;
  }
  edge_bias_table_view(t, data);
  return EDGE_OK;
}

EDGE_RARE uint32_t edge_attention_room(const edge_attention_t *a) {
  return a->rows > 0 ? a->rows - 1 : 0;
}

/* `from` is a key and a value, head by head; NULL for an empty row. */
static void write_row(const edge_attention_t *a, uint32_t row, const int8_t *from) {
  for (uint32_t h = 0; h < a->heads; h++) {
    int8_t *key = a->keys + (h * a->rows + row) * a->width;
    int8_t *value = a->values + h * a->width * a->rows + row;
    for (uint32_t i = 0; i < a->width; i++) {
      key[i] = from == NULL ? 0 : from[h * a->width + i];
      value[i * a->rows] = from == NULL ? 0 : from[(a->heads + h) * a->width + i];
    }
    if (from == NULL) {
      key[a->width - 1] = EMPTY_MARK;
    }
  }
}

uint32_t edge_attention_fill(const edge_attention_t *a, const edge_bias_table_t *const *tables,
                             uint32_t count) {
  uint32_t row = 1;
  for (uint32_t t = 0; t < count; t++) {
    for (uint32_t i = 1; i < tables[t]->nodes; i++) {
      write_row(a, row++, tables[t]->rows + i * row_bytes(a));
    }
  }
  if (row > 1) {
    write_row(a, 0, tables[0]->rows);
    for (uint32_t empty = row; empty < a->rows; empty++) {
      write_row(a, empty, NULL);
    }
  }
  return row - 1;
}
