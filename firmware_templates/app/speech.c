#include "speech.h"

#include <stddef.h>

#include "pack.h"

#define OP_COST_BYTES 12u
#define LOGITS_HEAD_BYTES 16u
#define RESULTS_HEAD_BYTES 8u
#define PIECE_MAX_BYTES 256u

/* text: piece of a token; empty where it is unknown or too long for a text. */
static void pack_piece(edge_packer_t *p, const edge_session_t *session, int32_t token) {
  const uint8_t *piece = NULL;
  uint32_t piece_bytes = 0;
  if (edge_tokens_piece(&session->tokens, token, &piece, &piece_bytes) != EDGE_OK ||
      piece_bytes > UINT8_MAX) {
    piece_bytes = 0;
  }
  edge_pack_u8(p, (uint8_t)piece_bytes);
  edge_pack_bytes(p, piece, piece_bytes);
}

static void on_token(void *context, int32_t token, int32_t logprob_q16, uint32_t time_ms) {
  edge_session_t *session = context;
  edge_port_clock_pause();
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, (uint32_t)token);
  edge_pack_u32(&p, (uint32_t)logprob_q16);
  edge_pack_u32(&p, time_ms);
  pack_piece(&p, session, token);
  edge_session_send_event(session, EDGE_MSG_TOKEN, p.used);
  session->utterance.tokens++;
  edge_port_clock_resume();
}

static void on_logits(void *context, uint32_t frame, uint32_t symbol, const int8_t *logits,
                      uint32_t size) {
  edge_session_t *session = context;
  edge_port_clock_pause();
  session->utterance.logits++;
  uint32_t sent = (session->utterance.flags & EDGE_START_LOGITS) != 0 ? 0 : size;
  while (sent < size) {
    const uint32_t room = EDGE_PAYLOAD_MAX - LOGITS_HEAD_BYTES;
    const uint32_t part = size - sent < room ? size - sent : room;
    edge_packer_t p = {.data = session->payload};
    edge_pack_u32(&p, frame);
    edge_pack_u32(&p, symbol);
    edge_pack_u32(&p, size);
    edge_pack_u32(&p, sent);
    edge_pack_bytes(&p, logits + sent, part);
    edge_session_send_event(session, EDGE_MSG_LOGITS, p.used);
    sent += part;
  }
  edge_port_clock_resume();
}

static edge_status_t start(edge_session_t *session, const uint8_t *payload) {
  if (session->content != EDGE_CONTENT_RECOGNISER) {
    return session->content == EDGE_CONTENT_NONE ? session->content_status : EDGE_BAD_STATE;
  }
  const uint32_t flags = edge_unpack_u32(payload);
  const uint32_t endpoint = EDGE_START_ENDPOINT_MASK << EDGE_START_ENDPOINT_SHIFT;
  if ((flags & ~(EDGE_START_LOGITS | EDGE_START_PROFILE | endpoint)) != 0) {
    return EDGE_BAD_ARGUMENT;
  }
  edge_session_forget_events(session);
  const uint32_t mode = (flags & endpoint) >> EDGE_START_ENDPOINT_SHIFT;
  edge_status_t status = edge_recogniser_endpoint(&session->recogniser, (edge_endpoint_mode_t)mode);
  if (status == EDGE_OK) {
    status = edge_recogniser_reset(&session->recogniser);
  }
  session->utterance = (edge_utterance_t){.active = status == EDGE_OK, .flags = flags};
  edge_session_profile(session, (flags & EDGE_START_PROFILE) != 0);
  return status;
}

/* One piece: its first sample's number, then the samples. A gap is refused. A piece that was taken
 * already changes nothing: the host has lost the answer. */
static edge_status_t take_audio(edge_session_t *session, const uint8_t *payload, uint32_t size) {
  edge_utterance_t *utterance = &session->utterance;
  int16_t samples[128];
  if (!utterance->active) {
    return EDGE_BAD_STATE;
  }
  const uint32_t first = edge_unpack_u32(payload);
  uint32_t left = (size - 4) / 2;
  if (first < utterance->samples && left <= utterance->samples - first) {
    return EDGE_OK;
  }
  if (first != utterance->samples) {
    return EDGE_BAD_ARGUMENT;
  }
  edge_status_t status = EDGE_OK;
  const uint8_t *from = payload + 4;
  while (left > 0 && status == EDGE_OK) {
    const uint32_t count = left < 128 ? left : 128;
    for (uint32_t i = 0; i < count; i++) {
      samples[i] = (int16_t)(uint16_t)(from[2 * i] | from[2 * i + 1] << 8);
    }
    status = edge_recogniser_push(&session->recogniser, samples, count);
    utterance->samples += count;
    from += 2 * count;
    left -= count;
  }
  utterance->active = status == EDGE_OK;
  return status;
}

static void serve_audio(edge_session_t *session) {
  const edge_status_t status =
      take_audio(session, session->decoder.payload, session->decoder.payload_bytes);
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, (uint32_t)status);
  edge_pack_u32(&p, session->utterance.samples);
  edge_session_send(session, EDGE_MSG_AUDIO_TAKEN, session->decoder.seq, p.used);
}

/* A window of the results, which are written anew for every part: they take no memory. */
typedef struct results_part {
  edge_packer_t packer;
  uint32_t first, end; /* the bytes that are wanted */
  uint32_t written;
} results_part_t;

static void pack_part(void *context, const uint8_t *data, uint32_t size) {
  results_part_t *part = context;
  const uint32_t begin = part->written, end = begin + size;
  const uint32_t from = begin > part->first ? begin : part->first;
  const uint32_t to = end < part->end ? end : part->end;
  if (from < to) {
    edge_pack_bytes(&part->packer, data + (from - begin), to - from);
  }
  part->written = end;
}

/* Bytes of the results; 0 where the bundle asks for none, or there are none. */
static uint32_t results_bytes(const edge_session_t *session) {
  const edge_search_t *search = &session->recogniser.search;
  results_part_t part = {.written = 0};
  const edge_sink_t sink = {&part, pack_part};
  if ((search->nbest == 0 && search->max_arcs == 0) ||
      edge_recogniser_results(&session->recogniser, &sink) != EDGE_OK) {
    return 0;
  }
  return part.written;
}

static void send_utterance_results(edge_session_t *session) {
  const uint32_t total = results_bytes(session);
  for (uint32_t first = 0; first < total;) {
    results_part_t part = {.packer = {.data = session->payload},
                           .first = first,
                           .end = first + EDGE_PAYLOAD_MAX - RESULTS_HEAD_BYTES};
    edge_pack_u32(&part.packer, total);
    edge_pack_u32(&part.packer, first);
    const edge_sink_t sink = {&part, pack_part};
    edge_recogniser_results(&session->recogniser, &sink);
    edge_session_send_event(session, EDGE_MSG_UTTERANCE_RESULTS, part.packer.used);
    first = part.end;
  }
}

/* The event, then its untold tokens; where they do not fit, more events follow with the rest. */
static void on_endpoint(void *context, const edge_endpoint_event_t *event) {
  edge_session_t *session = context;
  const edge_search_t *search = &session->recogniser.search;
  edge_port_clock_pause();
  uint32_t sent = 0;
  do {
    edge_packer_t p = {.data = session->payload};
    edge_pack_u8(&p, (uint8_t)event->kind);
    edge_pack_u32(&p, event->utterance);
    edge_pack_u32(&p, event->version);
    edge_pack_u32(&p, event->time_ms);
    edge_pack_u32(&p, event->tokens);
    edge_pack_u32(&p, event->untold);
    edge_pack_u32(&p, sent);
    for (; sent < event->untold && p.used <= EDGE_PAYLOAD_MAX - PIECE_MAX_BYTES; sent++) {
      pack_piece(&p, session, (int32_t)edge_search_untold_token(search, sent));
    }
    edge_session_send_event(session, EDGE_MSG_ENDPOINT, p.used);
  } while (sent < event->untold);
  if (event->kind == EDGE_ENDPOINT_FINAL &&
      session->recogniser.endpoint_mode == EDGE_ENDPOINT_SEGMENT) {
    send_utterance_results(session);
  }
  edge_port_clock_resume();
}

edge_listener_t edge_session_listener(edge_session_t *session) {
  return (edge_listener_t){
      .context = session, .token = on_token, .logits = on_logits, .endpoint = on_endpoint};
}

/* Bytes from a place in the results on, as many as a frame holds. */
static void serve_results(edge_session_t *session) {
  const uint32_t first = edge_unpack_u32(session->decoder.payload);
  const bool finished = session->content == EDGE_CONTENT_RECOGNISER && session->utterance.finished;
  const uint32_t total = finished ? results_bytes(session) : 0;
  if (total == 0 || first > total) {
    edge_session_answer(session, total == 0 ? EDGE_BAD_STATE : EDGE_BAD_ARGUMENT);
    return;
  }
  results_part_t part = {.packer = {.data = session->payload},
                         .first = first,
                         .end = first + EDGE_PAYLOAD_MAX - RESULTS_HEAD_BYTES};
  edge_pack_u32(&part.packer, total);
  edge_pack_u32(&part.packer, first);
  const edge_sink_t sink = {&part, pack_part};
  edge_recogniser_results(&session->recogniser, &sink);
  edge_session_send(session, EDGE_MSG_RESULTS_DATA, session->decoder.seq, part.packer.used);
}

static void serve_finish(edge_session_t *session) {
  edge_utterance_t *utterance = &session->utterance;
  if (!utterance->active && !utterance->ended) {
    edge_session_answer(session, EDGE_BAD_STATE);
    return;
  }
  if (!utterance->ended) { /* else the host has lost the answer */
    utterance->end = edge_recogniser_finish(&session->recogniser);
    utterance->active = false;
    utterance->ended = true;
    utterance->finished = utterance->end == EDGE_OK;
  }
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, (uint32_t)utterance->end);
  edge_pack_u32(&p, utterance->samples);
  edge_pack_u32(&p, utterance->tokens);
  edge_pack_u32(&p, utterance->logits);
  edge_pack_u32(&p, utterance->finished ? results_bytes(session) : 0);
  edge_session_send(session, EDGE_MSG_FINAL, session->decoder.seq, p.used);
}

static void pack_costs(edge_packer_t *p, const edge_costs_t *costs) {
  edge_pack_u64(p, costs->features);
  edge_pack_u64(p, costs->encoder);
  edge_pack_u64(p, costs->adapter);
  edge_pack_u64(p, costs->predictor);
  edge_pack_u64(p, costs->joiner);
  edge_pack_u64(p, costs->search);
  edge_pack_u64(p, costs->bias);
  edge_pack_u64(p, costs->lattice);
  edge_pack_u64(p, costs->endpoint);
  edge_pack_u32(p, costs->encoder_calls);
  edge_pack_u32(p, costs->adapter_calls);
  edge_pack_u32(p, costs->predictor_calls);
  edge_pack_u32(p, costs->joiner_calls);
  edge_pack_u32(p, costs->endpoint_calls);
  edge_pack_u32(p, costs->predictor_hits);
}

static void pack_memory(edge_packer_t *p, edge_session_t *session) {
  uint32_t arena_bytes = 0, state_bytes = 0, workspace_bytes = 0;
  for (uint32_t i = 0; i < EDGE_GRAPHS; i++) {
    const edge_graph_t *graph = edge_session_graph(session, i);
    if (graph != NULL) {
      arena_bytes = graph->arena_bytes > arena_bytes ? graph->arena_bytes : arena_bytes;
      state_bytes += graph->state_bytes;
    }
  }
  if (session->content == EDGE_CONTENT_RECOGNISER) {
    edge_recogniser_workspace(&session->image, &workspace_bytes);
  } else {
    workspace_bytes = arena_bytes + state_bytes;
  }
  edge_pack_u32(p, arena_bytes);
  edge_pack_u32(p, state_bytes);
  edge_pack_u32(p, workspace_bytes);
}

/* Nothing where there is no NPU. */
static void pack_npu(edge_packer_t *p, const edge_npu_t *npu) {
  if (npu != NULL) {
    edge_pack_u64(p, npu->counts.jobs);
    edge_pack_u64(p, npu->counts.cycles);
    for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
      edge_pack_u64(p, npu->counts.events[i]);
    }
  }
}

static void serve_metrics(edge_session_t *session) {
  edge_port_usage_t usage;
  edge_port_usage(&usage);
  edge_packer_t p = {.data = session->payload};
  pack_costs(&p, &session->recogniser.costs);
  edge_pack_u32(&p, session->utterance.samples);
  pack_memory(&p, session);
  edge_pack_u32(&p, usage.stack_bytes);
  edge_pack_u32(&p, usage.stack_high_water);
  edge_pack_u32(&p, session->port.receive_bytes);
  edge_pack_u32(&p, usage.receive_high_water);
  edge_pack_u32(&p, usage.receive_lost);
  pack_npu(&p, edge_session_npu(session));
  edge_session_send(session, EDGE_MSG_METRIC_VALUES, session->decoder.seq, p.used);
}

/* Costs of operators first.. of a graph, as many as a frame holds; none where none are counted. */
static void serve_op_costs(edge_session_t *session) {
  const uint8_t *payload = session->decoder.payload;
  const edge_graph_t *graph = edge_session_graph(session, payload[0]);
  const uint32_t first = edge_unpack_u32(payload + 1);
  if (graph == NULL || first > graph->op_count) {
    edge_session_answer(session, EDGE_BAD_ARGUMENT);
    return;
  }
  const uint32_t end = graph->op_cost == NULL ? first : graph->op_count;
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, first);
  edge_pack_u32(&p, graph->op_count);
  for (uint32_t i = first; i < end && p.used <= EDGE_PAYLOAD_MAX - OP_COST_BYTES; i++) {
    edge_tensor_t unused;
    uint32_t code = 0;
    edge_graph_op(graph, i, &unused, &code);
    edge_pack_u32(&p, code);
    edge_pack_u64(&p, graph->op_cost[i]);
  }
  edge_session_send(session, EDGE_MSG_OP_COST_VALUES, session->decoder.seq, p.used);
}

bool edge_session_serve_speech(edge_session_t *session) {
  switch (session->decoder.type) {
  case EDGE_MSG_START:
    edge_session_answer(session, start(session, session->decoder.payload));
    return true;
  case EDGE_MSG_AUDIO:
    serve_audio(session);
    return true;
  case EDGE_MSG_FINISH:
    serve_finish(session);
    return true;
  case EDGE_MSG_RESULTS:
    serve_results(session);
    return true;
  case EDGE_MSG_EVENTS:
    edge_session_answer(session, edge_session_repeat_events(session, session->decoder.payload[0]));
    return true;
  case EDGE_MSG_METRICS:
    serve_metrics(session);
    return true;
  case EDGE_MSG_OP_COSTS:
    serve_op_costs(session);
    return true;
  default:
    return false;
  }
}
