#include "session.h"

#include "edge/kernels.h"
#include "pack.h"

#define IMAGE_DIGEST_OFFSET 16u /* docs/image.md, header */
#define IMAGE_DIGEST_BYTES 8u

void edge_session_send(edge_session_t *session, edge_message_t type, uint8_t seq,
                       uint32_t payload_bytes) {
  uint32_t size = 0;
  edge_frame_encode((uint8_t)type, seq, session->payload, payload_bytes, session->encoded,
                    sizeof session->encoded, &size);
  edge_port_write(session->encoded, size);
}

void edge_session_send_event(edge_session_t *session, edge_message_t type, uint32_t payload_bytes) {
  edge_session_keep_event(session, type, payload_bytes);
  edge_session_send(session, type, session->event_seq++, payload_bytes);
}

static void send_status(edge_session_t *session, edge_status_t status, uint8_t request,
                        uint8_t seq) {
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, (uint32_t)status);
  edge_pack_u8(&p, request);
  edge_session_send(session, EDGE_MSG_STATUS, seq, p.used);
}

void edge_session_answer(edge_session_t *session, edge_status_t status) {
  send_status(session, status, session->decoder.type, session->decoder.seq);
}

static void pack_boot(edge_packer_t *p, const edge_port_info_t *port) {
  const edge_fault_t *fault = &port->fault;
  edge_pack_u32(p, (uint32_t)port->boot_cause);
  edge_pack_u32(p, fault->kind);
  edge_pack_u32(p, fault->pc);
  edge_pack_u32(p, fault->lr);
  edge_pack_u32(p, fault->sp);
  edge_pack_u32(p, fault->xpsr);
  edge_pack_u32(p, fault->cfsr);
  edge_pack_u32(p, fault->hfsr);
  edge_pack_u32(p, fault->address);
}

static void send_boot(edge_session_t *session) {
  edge_packer_t p = {.data = session->payload};
  pack_boot(&p, &session->port);
  edge_session_send(session, EDGE_MSG_BOOT, 0, p.used); /* not to be had again: it was a start */
}

/* u8 count, then the operator codes that this build can run. */
static void pack_kernels(edge_packer_t *p) {
  static const uint8_t codes[] = {
#define EDGE_KERNEL(NAME, name, code, record) (code),
#include "kernels.def"
#undef EDGE_KERNEL
  };
  edge_pack_u8(p, (uint8_t)sizeof codes);
  edge_pack_bytes(p, codes, (uint32_t)sizeof codes);
}

static void send_identity(edge_session_t *session) {
  static const uint8_t no_digest[IMAGE_DIGEST_BYTES] = {0};
  const edge_port_info_t *port = &session->port;
  const bool filled = session->content != EDGE_CONTENT_NONE;
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, EDGE_WIRE_VERSION);
  edge_pack_u32(&p, port->clock_kind);
  edge_pack_u32(&p, port->clock_hz);
  edge_pack_u32(&p, EDGE_PAYLOAD_MAX);
  edge_pack_u32(&p, port->receive_bytes);
  edge_pack_u32(&p, port->model_bytes);
  edge_pack_u32(&p, port->workspace_bytes);
  edge_pack_u32(&p, (uint32_t)session->content);
  edge_pack_u32(&p, (uint32_t)session->content_status);
  edge_pack_u32(&p, filled ? session->image.size : 0);
  edge_pack_bytes(&p, filled ? session->image.data + IMAGE_DIGEST_OFFSET : no_digest,
                  IMAGE_DIGEST_BYTES);
  pack_boot(&p, port);
  edge_pack_text(&p, port->board);
  edge_pack_text(&p, port->firmware_id);
  pack_kernels(&p);
  edge_session_send(session, EDGE_MSG_IDENTITY, session->decoder.seq, p.used);
}

/* A request's payload: `head` bytes, then any number of times `unit` bytes. */
typedef struct request {
  uint8_t type, head, unit;
} request_t;

/* Every request with its length as docs/protocol.md has it; nothing else looks at lengths. */
static const request_t requests[] = {
    {EDGE_MSG_HELLO, 2, 0},       {EDGE_MSG_PING, 0, 1},        {EDGE_MSG_RESET, 1, 0},
    {EDGE_MSG_LOAD_BEGIN, 8, 0},  {EDGE_MSG_LOAD_DATA, 4, 1},   {EDGE_MSG_LOAD_END, 0, 0},
    {EDGE_MSG_START, 4, 0},       {EDGE_MSG_AUDIO, 4, 2},       {EDGE_MSG_FINISH, 0, 0},
    {EDGE_MSG_METRICS, 0, 0},     {EDGE_MSG_OP_COSTS, 5, 0},    {EDGE_MSG_RESULTS, 4, 0},
    {EDGE_MSG_EVENTS, 1, 0},      {EDGE_MSG_GRAPH_INFO, 1, 0},  {EDGE_MSG_GRAPH_TENSOR, 6, 0},
    {EDGE_MSG_GRAPH_WRITE, 9, 1}, {EDGE_MSG_GRAPH_READ, 14, 0}, {EDGE_MSG_GRAPH_RUN, 5, 0},
    {EDGE_MSG_GRAPH_RESET, 2, 0}, {EDGE_MSG_BIAS_BEGIN, 8, 0},  {EDGE_MSG_BIAS_DATA, 4, 1},
    {EDGE_MSG_BIAS_END, 0, 0},    {EDGE_MSG_BIAS_USE, 0, 1},    {EDGE_MSG_BIAS_CLEAR, 0, 1},
    {EDGE_MSG_BIAS_LIST, 1, 0},
};

static bool is_well_formed(const edge_decoder_t *message) {
  for (uint32_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    const request_t *request = &requests[i];
    if (request->type == message->type) {
      return request->unit == 0 ? message->payload_bytes == request->head
                                : message->payload_bytes >= request->head &&
                                      (message->payload_bytes - request->head) % request->unit == 0;
    }
  }
  return false;
}

static void serve_hello(edge_session_t *session) {
  const uint8_t *version = session->decoder.payload;
  if ((version[0] | version[1] << 8) != (int)EDGE_WIRE_VERSION) {
    edge_session_answer(session, EDGE_BAD_VERSION);
    return;
  }
  send_identity(session);
}

static void serve_ping(edge_session_t *session) {
  edge_packer_t p = {.data = session->payload};
  edge_pack_bytes(&p, session->decoder.payload, session->decoder.payload_bytes);
  edge_session_send(session, EDGE_MSG_PONG, session->decoder.seq, p.used);
}

static void serve_reset(edge_session_t *session) {
  const uint8_t kind = session->decoder.payload[0];
  if (kind > EDGE_RESET_TRAP) {
    edge_session_answer(session, EDGE_BAD_ARGUMENT);
    return;
  }
  session->utterance = (edge_utterance_t){.active = false};
  session->loading = (edge_loading_t){.active = false};
  edge_bias_store_cancel(&session->recogniser.bias);
  edge_session_answer(session, EDGE_OK);
  if (kind == EDGE_RESET_REBOOT) {
    edge_port_reboot();
  } else if (kind == EDGE_RESET_TRAP) {
    __builtin_trap();
  }
}

static void serve(edge_session_t *session) {
  if (!is_well_formed(&session->decoder)) {
    edge_session_answer(session, EDGE_BAD_MESSAGE);
    return;
  }
  switch (session->decoder.type) {
  case EDGE_MSG_HELLO:
    serve_hello(session);
    return;
  case EDGE_MSG_PING:
    serve_ping(session);
    return;
  case EDGE_MSG_RESET:
    serve_reset(session);
    return;
  default:
    (void)(edge_session_serve_bundle(session) || edge_session_serve_speech(session) ||
           edge_session_serve_graph(session) || edge_session_serve_tables(session));
  }
}

static void receive(edge_session_t *session, const uint8_t *data, uint32_t size) {
  while (size > 0) {
    uint32_t taken = 0;
    const edge_wire_event_t event = edge_decoder_feed(&session->decoder, data, size, &taken);
    data += taken;
    size -= taken;
    if (event == EDGE_WIRE_FRAME) {
      serve(session);
    } else if (event == EDGE_WIRE_ERROR) {
      send_status(session, session->decoder.error, 0, 0);
    }
  }
}

void edge_session_run(edge_session_t *session) {
  uint8_t piece[256];
  *session = (edge_session_t){.event_seq = 0};
  edge_decoder_init(&session->decoder, session->received, sizeof session->received);
  edge_port_init(&session->port);
  if (session->port.boot_cause == EDGE_BOOT_FAULT) {
    session->content_status = EDGE_FAULT; /* the image may be what faults: do not try it again */
  } else {
    edge_session_open_image(session, session->port.model_bytes);
  }
  send_boot(session);
  for (;;) {
    const uint32_t size = edge_port_read(piece, sizeof piece);
    if (size == 0) {
      edge_port_idle();
    }
    receive(session, piece, size);
  }
}
