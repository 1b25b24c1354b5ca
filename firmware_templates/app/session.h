/* The application: answers the host's messages, loads images, runs recogniser and graphs. */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge/bias_store.h"
#include "edge/graph.h"
#include "edge/image.h"
#include "edge/port.h"
#include "edge/recogniser.h"
#include "edge/status.h"
#include "edge/tokens.h"
#include "edge/wire.h"
#include "single.h"

#ifndef EDGE_PAYLOAD_MAX
#define EDGE_PAYLOAD_MAX                                                                           \
  4096u /* longest payload in either direction; the build may set another                          \
         */
#endif
/* Of the last events, for a host that asks for them again; little where payloads are short, as RAM
 * is. The build may set another. */
#ifndef EDGE_KEPT_BYTES
#define EDGE_KEPT_BYTES (EDGE_PAYLOAD_MAX < 2048u ? EDGE_PAYLOAD_MAX / 8u : EDGE_PAYLOAD_MAX / 4u)
#endif
/* Operators profiled in all graphs together; a graph that does not fit any more is not profiled. */
#ifndef EDGE_PROFILE_OPS
#define EDGE_PROFILE_OPS 512u
#endif
#define EDGE_GRAPHS 6u /* encoder, predictor, joiner, single, adapter, end-pointers */

/* A text of 255 bytes behind any message's fields. */
#define EDGE_PAYLOAD_LEAST 512u
_Static_assert(EDGE_PAYLOAD_MAX >= EDGE_PAYLOAD_LEAST, "messages do not fit");

#define EDGE_RESET_UTTERANCE 0u /* forget the utterance and an unfinished load */
#define EDGE_RESET_REBOOT 1u    /* answer, then start again */
#define EDGE_RESET_TRAP 2u      /* answer, then take a fault: proves that faults are reported */

typedef enum edge_content {
  EDGE_CONTENT_NONE = 0, /* no image, or one that was refused */
  EDGE_CONTENT_RECOGNISER = 1,
  EDGE_CONTENT_SINGLE = 2,
} edge_content_t;

typedef struct edge_loading {
  bool active;
  bool ended; /* by LOAD_END, whose answer is content_status */
  uint32_t bytes, received, crc, expected_crc;
} edge_loading_t;

typedef struct edge_utterance {
  bool active;
  bool finished; /* well, and its results are there */
  bool ended;    /* by FINISH, with this status */
  edge_status_t end;
  uint32_t flags;   /* EDGE_START_* */
  uint32_t samples; /* taken since START */
  uint32_t tokens, logits;
} edge_utterance_t;

/* The last events in a ring, oldest first: u16 payload bytes, u8 type, payload. */
typedef struct edge_kept {
  uint32_t first, used; /* bytes */
  uint32_t count;       /* at most 255, so that their seqs differ */
  uint8_t data[EDGE_KEPT_BYTES];
} edge_kept_t;

#define EDGE_START_LOGITS 1u         /* send every joiner call's logits */
#define EDGE_START_PROFILE 2u        /* count per operator */
#define EDGE_START_ENDPOINT_SHIFT 2u /* edge_endpoint_mode_t, 2 bits */
#define EDGE_START_ENDPOINT_MASK 3u

typedef struct edge_session {
  edge_port_info_t port;
  edge_decoder_t decoder;
  uint8_t event_seq; /* of the next one */
  edge_kept_t kept;
  edge_image_t image;
  edge_content_t content;
  edge_status_t content_status; /* why there is no content */
  edge_recogniser_t recogniser;
  edge_tokens_t tokens;
  edge_graph_t single;
  uint64_t op_cost[EDGE_PROFILE_OPS];
  edge_loading_t loading;
  edge_utterance_t utterance;
  uint8_t received[EDGE_WIRE_OVERHEAD + EDGE_PAYLOAD_MAX];
  uint8_t payload[EDGE_PAYLOAD_MAX];
  uint8_t encoded[EDGE_WIRE_ENCODED_MAX(EDGE_PAYLOAD_MAX)];
} edge_session_t;

static inline edge_npu_t *edge_session_npu(const edge_session_t *session) {
  return edge_npu_of(&session->port);
}

/* Serve the host. Returns never; a port ends the process when its host has gone. */
_Noreturn void edge_session_run(edge_session_t *session);

/* Open the image that lies in the first `bytes` of the model region; sets content and
 * content_status. (bundle.c) */
void edge_session_open_image(edge_session_t *session, uint32_t bytes);

/* Graph 0 encoder, 1 predictor, 2 joiner, 3 single, 4 adapter, 5 end-pointers; NULL where the
 * content lacks it. (bundle.c) */
edge_graph_t *edge_session_graph(edge_session_t *session, uint32_t index);

/* Let the graphs count per operator, or not; clears the sums, and the NPU's. (bundle.c) */
void edge_session_profile(edge_session_t *session, bool on);

/* Send one frame: an answer has the request's seq, an event the session's own. (session.c) */
void edge_session_send(edge_session_t *session, edge_message_t type, uint8_t seq,
                       uint32_t payload_bytes);
void edge_session_send_event(edge_session_t *session, edge_message_t type, uint32_t payload_bytes);

/* START: events count from 0 again, and those before it are not kept any more. (events.c) */
void edge_session_forget_events(edge_session_t *session);
/* Keep an event that is in session->payload. (events.c) */
void edge_session_keep_event(edge_session_t *session, edge_message_t type, uint32_t payload_bytes);
/* EVENTS: send what came from this seq on again; EDGE_BAD_ARGUMENT where not all is kept.
 * (events.c) */
edge_status_t edge_session_repeat_events(edge_session_t *session, uint8_t first);

/* Each answers its requests, whose lengths are right, or returns false for a type that is not its
 * own. */
bool edge_session_serve_bundle(edge_session_t *session); /* bundle.c: LOAD_* */
bool edge_session_serve_speech(edge_session_t *session); /* speech.c: START .. OP_COSTS */
bool edge_session_serve_graph(edge_session_t *session);  /* graphs.c: GRAPH_* */
bool edge_session_serve_tables(edge_session_t *session); /* tables.c: BIAS_* */

/* Answer the current request with a status. (session.c) */
void edge_session_answer(edge_session_t *session, edge_status_t status);

#endif
