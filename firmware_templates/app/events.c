#include "session.h"

#define HEAD_BYTES 3u

/* The last events, kept so that a host whose line lost some can have them again. */

static void put(edge_kept_t *kept, uint8_t byte) {
  kept->data[(kept->first + kept->used) % EDGE_KEPT_BYTES] = byte;
  kept->used++;
}

static uint8_t get(const edge_kept_t *kept, uint32_t at) {
  return kept->data[(kept->first + at) % EDGE_KEPT_BYTES];
}

static uint32_t payload_bytes_at(const edge_kept_t *kept, uint32_t at) {
  return get(kept, at) | (uint32_t)get(kept, at + 1) << 8;
}

static void drop_oldest(edge_kept_t *kept) {
  const uint32_t size = HEAD_BYTES + payload_bytes_at(kept, 0);
  kept->first = (kept->first + size) % EDGE_KEPT_BYTES;
  kept->used -= size;
  kept->count--;
}

void edge_session_forget_events(edge_session_t *session) {
  session->event_seq = 0;
  session->kept.used = 0;
  session->kept.count = 0;
}

void edge_session_keep_event(edge_session_t *session, edge_message_t type, uint32_t payload_bytes) {
  edge_kept_t *kept = &session->kept;
  const uint32_t size = HEAD_BYTES + payload_bytes;
  if (size > EDGE_KEPT_BYTES) { /* and what is older is no use without it */
    kept->used = 0;
    kept->count = 0;
    return;
  }
  while (size > EDGE_KEPT_BYTES - kept->used || kept->count == UINT8_MAX) {
    drop_oldest(kept);
  }
  put(kept, (uint8_t)payload_bytes);
  put(kept, (uint8_t)(payload_bytes >> 8));
  put(kept, (uint8_t)type);
  for (uint32_t i = 0; i < payload_bytes; i++) {
    put(kept, session->payload[i]);
  }
  kept->count++;
}

edge_status_t edge_session_repeat_events(edge_session_t *session, uint8_t first) {
  const edge_kept_t *kept = &session->kept;
  const uint32_t missed = (uint8_t)(session->event_seq - first);
  if (missed > kept->count) {
    return EDGE_BAD_ARGUMENT;
  }
  uint32_t at = 0;
  for (uint32_t i = 0; i < kept->count; i++) {
    const uint32_t size = payload_bytes_at(kept, at);
    if (i >= kept->count - missed) {
      for (uint32_t k = 0; k < size; k++) {
        session->payload[k] = get(kept, at + HEAD_BYTES + k);
      }
      const uint8_t seq = (uint8_t)(session->event_seq - (kept->count - i));
      edge_session_send(session, (edge_message_t)get(kept, at + 2), seq, size);
    }
    at += HEAD_BYTES + size;
  }
  return EDGE_OK;
}
