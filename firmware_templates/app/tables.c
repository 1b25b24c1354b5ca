#include <stddef.h>

#include "pack.h"
#include "session.h"

#define ENTRY_ACTIVE 1u
#define ENTRY_IN_ROOM 2u
#define ENTRY_ROWS 4u

#define ENTRY_BYTES (1u + 4u * 4u + EDGE_BIAS_NAME_BYTES) /* at most */

/* From the table that the request names on, as many as a frame holds. */
static void send_tables(edge_session_t *session) {
  const edge_bias_store_t *store = &session->recogniser.bias;
  edge_packer_t p = {.data = session->payload};
  bool in_room = false;
  uint32_t total = 0;
  while (edge_bias_store_entry(store, total, &in_room) != NULL) {
    total++;
  }
  edge_pack_u32(&p, store->room_bytes);
  edge_pack_u32(&p, store->used);
  edge_pack_u8(&p, (uint8_t)total);
  for (uint32_t i = session->decoder.payload[0];
       i < total && p.used <= EDGE_PAYLOAD_MAX - ENTRY_BYTES; i++) {
    const edge_bias_entry_t *entry = edge_bias_store_entry(store, i, &in_room);
    const edge_bias_table_t *t = &entry->table;
    edge_pack_u8(&p, (uint8_t)((entry->active ? ENTRY_ACTIVE : 0) | (in_room ? ENTRY_IN_ROOM : 0) |
                               (t->rows != NULL ? ENTRY_ROWS : 0)));
    edge_pack_u32(&p, t->nodes);
    edge_pack_u32(&p, t->phrases);
    edge_pack_u32(&p, t->bytes);
    edge_pack_u32(&p, edge_crc32(0, t->data, t->bytes));
    edge_pack_text(&p, t->name);
  }
  edge_session_send(session, EDGE_MSG_BIAS_TABLES, session->decoder.seq, p.used);
}

/* The search must not see its tables change: an utterance goes first. */
static edge_status_t change(edge_session_t *session) {
  edge_bias_store_t *store = &session->recogniser.bias;
  const uint8_t *payload = session->decoder.payload;
  const uint32_t size = session->decoder.payload_bytes;
  if (session->utterance.active) {
    return EDGE_BAD_STATE;
  }
  switch (session->decoder.type) {
  case EDGE_MSG_BIAS_END:
    return edge_bias_store_end(store);
  case EDGE_MSG_BIAS_USE:
    return edge_bias_store_use(store, payload, size);
  default:
    return edge_bias_store_clear(store, payload, size);
  }
}

bool edge_session_serve_tables(edge_session_t *session) {
  edge_bias_store_t *store = &session->recogniser.bias;
  const uint8_t type = session->decoder.type;
  const uint8_t *payload = session->decoder.payload;
  if (type < EDGE_MSG_BIAS_BEGIN || type > EDGE_MSG_BIAS_LIST) {
    return false;
  }
  edge_status_t status;
  if (session->content != EDGE_CONTENT_RECOGNISER) {
    status = session->content == EDGE_CONTENT_NONE ? session->content_status : EDGE_BAD_STATE;
  } else if (type == EDGE_MSG_BIAS_LIST) {
    send_tables(session);
    return true;
  } else if (type == EDGE_MSG_BIAS_BEGIN) {
    status = edge_bias_store_begin(store, edge_unpack_u32(payload), edge_unpack_u32(payload + 4));
  } else if (type == EDGE_MSG_BIAS_DATA) {
    status = edge_bias_store_data(store, edge_unpack_u32(payload), payload + 4,
                                  session->decoder.payload_bytes - 4);
  } else {
    status = change(session);
  }
  edge_session_answer(session, status);
  return true;
}
