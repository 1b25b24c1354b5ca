/* In place of src/attention.c where an image has no adapter: refuses one that has, and is nothing
 * else. */
#include "edge/attention.h"

edge_status_t edge_attention_open(edge_attention_t *attention, const edge_graph_t *adapter,
                                  uint32_t encoder_out_bytes) {
  (void)attention, (void)adapter, (void)encoder_out_bytes;
  return EDGE_NO_PART;
}

edge_status_t edge_attention_bind(edge_attention_t *attention, const edge_graph_t *adapter) {
  (void)attention, (void)adapter;
  return EDGE_NO_PART;
}

edge_status_t edge_attention_table_open(edge_bias_table_t *table, const uint8_t *data,
                                        uint32_t size, const edge_attention_t *attention) {
  (void)table, (void)data, (void)size, (void)attention;
  return EDGE_NO_PART;
}

uint32_t edge_attention_room(const edge_attention_t *attention) {
  (void)attention;
  return 0;
}

uint32_t edge_attention_fill(const edge_attention_t *attention,
                             const edge_bias_table_t *const *tables, uint32_t count) {
  (void)attention, (void)tables, (void)count;
  return 0;
}
