/* In place of src/bias.c and src/bias_store.c where no table will ever come: refuses an image that
 * has tables or room for some, and is nothing else. */
#include <stddef.h>

#include "edge/bias_store.h"

edge_status_t edge_bias_store_open(edge_bias_store_t *store, const uint8_t *section, uint32_t size,
                                   uint32_t vocab, uint32_t tokens_crc,
                                   const edge_attention_t *attention) {
  (void)size, (void)vocab, (void)tokens_crc, (void)attention;
  *store = (edge_bias_store_t){0};
  return section == NULL ? EDGE_OK : EDGE_NO_PART;
}

uint32_t edge_bias_store_memory(const edge_bias_store_t *store) {
  (void)store;
  return 0;
}

void edge_bias_store_bind(edge_bias_store_t *store, void *room) { (void)store, (void)room; }

edge_status_t edge_bias_store_begin(edge_bias_store_t *store, uint32_t bytes, uint32_t crc) {
  (void)store, (void)bytes, (void)crc;
  return EDGE_NO_PART;
}

edge_status_t edge_bias_store_data(edge_bias_store_t *store, uint32_t offset, const uint8_t *data,
                                   uint32_t size) {
  (void)store, (void)offset, (void)data, (void)size;
  return EDGE_NO_PART;
}

void edge_bias_store_cancel(edge_bias_store_t *store) { (void)store; }

edge_status_t edge_bias_store_end(edge_bias_store_t *store) {
  (void)store;
  return EDGE_NO_PART;
}

edge_status_t edge_bias_store_use(edge_bias_store_t *store, const uint8_t *names, uint32_t size) {
  (void)store, (void)names, (void)size;
  return EDGE_NO_PART;
}

edge_status_t edge_bias_store_clear(edge_bias_store_t *store, const uint8_t *name,
                                    uint32_t length) {
  (void)store, (void)name, (void)length;
  return EDGE_NO_PART;
}

uint32_t edge_bias_store_attend(const edge_bias_store_t *store) {
  (void)store;
  return 0;
}

const edge_bias_entry_t *edge_bias_store_entry(const edge_bias_store_t *store, uint32_t index,
                                               bool *in_room) {
  (void)store, (void)index, (void)in_room;
  return NULL;
}

bool edge_bias_deltas(const edge_bias_t *bias, const edge_bias_state_t *state, int32_t *deltas,
                      uint32_t vocab) {
  (void)bias, (void)state, (void)deltas, (void)vocab;
  return false;
}

void edge_bias_step(const edge_bias_t *bias, edge_bias_state_t *state, uint32_t token) {
  (void)bias, (void)state, (void)token;
}

int32_t edge_bias_finish(const edge_bias_t *bias, const edge_bias_state_t *state) {
  (void)bias, (void)state;
  return 0;
}
