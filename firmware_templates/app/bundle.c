#include <string.h>

#include "pack.h"
#include "session.h"
#include "single.h"
#include "speech.h"

static edge_status_t open_recogniser(edge_session_t *session) {
  edge_span_t section;
  edge_status_t status = edge_image_find(&session->image, EDGE_TAG_TOKENS, &section);
  if (status == EDGE_OK) {
    status = edge_tokens_open(&session->tokens, section.data, section.size);
  }
  if (status != EDGE_OK) {
    return status;
  }
  const edge_listener_t listener = edge_session_listener(session);
  const edge_clock_fn clock = session->port.clock_kind == EDGE_CLOCK_NONE ? NULL : edge_port_clock;
  status = edge_recogniser_open(&session->recogniser, &session->image, NULL, &listener, clock,
                                session->port.workspace, session->port.workspace_bytes);
  return status == EDGE_OK ? edge_recogniser_attach(&session->recogniser, edge_session_npu(session))
                           : status;
}

static edge_status_t open_content(edge_session_t *session, uint32_t bytes,
                                  edge_content_t *content) {
  edge_span_t section;
  const edge_status_t status = edge_image_open(&session->image, session->port.model, bytes);
  if (status != EDGE_OK) {
    return status;
  }
  if (edge_image_find(&session->image, EDGE_TAG_SINGLE, &section) == EDGE_OK) {
    *content = EDGE_CONTENT_SINGLE;
    return edge_single_open(&session->single, &section, &session->port);
  }
  *content = EDGE_CONTENT_RECOGNISER;
  return open_recogniser(session);
}

void edge_session_open_image(edge_session_t *session, uint32_t bytes) {
  edge_content_t content = EDGE_CONTENT_NONE;
  session->content_status = open_content(session, bytes, &content);
  session->content = session->content_status == EDGE_OK ? content : EDGE_CONTENT_NONE;
}

edge_graph_t *edge_session_graph(edge_session_t *session, uint32_t index) {
  edge_recogniser_t *r = &session->recogniser;
  edge_graph_t *const graphs[EDGE_GRAPHS] = {&r->encoder,      &r->predictor, &r->joiner,
                                             &session->single, &r->adapter,   &r->endpoint_graph};
  const edge_content_t content = index == 3 ? EDGE_CONTENT_SINGLE : EDGE_CONTENT_RECOGNISER;
  if (index >= EDGE_GRAPHS || session->content != content || graphs[index]->section == NULL) {
    return NULL;
  }
  return graphs[index];
}

void edge_session_profile(edge_session_t *session, bool on) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < EDGE_GRAPHS; i++) {
    edge_graph_t *graph = edge_session_graph(session, i);
    if (graph == NULL) {
      continue;
    }
    const bool counts = on && session->port.clock_kind != EDGE_CLOCK_NONE &&
                        graph->op_count <= EDGE_PROFILE_OPS - used;
    graph->clock = counts ? edge_port_clock : NULL;
    graph->op_cost = counts ? session->op_cost + used : NULL;
    used += counts ? graph->op_count : 0;
  }
  for (uint32_t i = 0; i < EDGE_PROFILE_OPS; i++) {
    session->op_cost[i] = 0;
  }
  edge_npu_t *npu = edge_session_npu(session);
  if (npu != NULL) {
    npu->counts = (edge_npu_counts_t){0};
  }
}

/* Where it is not refused, the old image is gone from here on, whatever follows. */
static edge_status_t load_begin(edge_session_t *session, const uint8_t *payload) {
  const uint32_t bytes = edge_unpack_u32(payload);
  if (session->port.model_read_only) {
    return EDGE_READ_ONLY;
  }
  if (bytes > session->port.model_bytes) {
    return EDGE_NO_MEMORY;
  }
  session->content = EDGE_CONTENT_NONE;
  session->content_status = EDGE_TRUNCATED;
  session->utterance = (edge_utterance_t){.active = false};
  memset(session->port.model, 0, EDGE_IMAGE_HEADER_BYTES);
  session->loading = (edge_loading_t){
      .active = true, .bytes = bytes, .expected_crc = edge_unpack_u32(payload + 4)};
  return EDGE_OK;
}

static edge_status_t load_data(edge_session_t *session, const uint8_t *payload, uint32_t size) {
  edge_loading_t *loading = &session->loading;
  if (!loading->active) {
    return EDGE_BAD_STATE;
  }
  size -= 4;
  const uint32_t offset = edge_unpack_u32(payload);
  if (offset < loading->received && size <= loading->received - offset) {
    return EDGE_OK; /* taken already: the host has lost the answer */
  }
  if (offset != loading->received || size > loading->bytes - loading->received) {
    return EDGE_BAD_ARGUMENT;
  }
  memcpy(session->port.model + loading->received, payload + 4, size);
  loading->crc = edge_crc32(loading->crc, payload + 4, size);
  loading->received += size;
  return EDGE_OK;
}

static edge_status_t load_end(edge_session_t *session) {
  edge_loading_t *loading = &session->loading;
  if (!loading->active) { /* where it has ended, the host has lost the answer */
    return loading->ended ? session->content_status : EDGE_BAD_STATE;
  }
  loading->active = false;
  loading->ended = true;
  if (loading->received != loading->bytes) {
    return EDGE_TRUNCATED;
  }
  if (loading->crc != loading->expected_crc) {
    session->content_status = EDGE_BAD_CRC;
    memset(session->port.model, 0, EDGE_IMAGE_HEADER_BYTES);
    return EDGE_BAD_CRC;
  }
  edge_session_open_image(session, loading->bytes);
  return session->content_status;
}

bool edge_session_serve_bundle(edge_session_t *session) {
  const uint8_t *payload = session->decoder.payload;
  const uint32_t size = session->decoder.payload_bytes;
  edge_status_t status;
  switch (session->decoder.type) {
  case EDGE_MSG_LOAD_BEGIN:
    status = load_begin(session, payload);
    break;
  case EDGE_MSG_LOAD_DATA:
    status = load_data(session, payload, size);
    break;
  case EDGE_MSG_LOAD_END:
    status = load_end(session);
    break;
  default:
    return false;
  }
  edge_session_answer(session, status);
  return true;
}
