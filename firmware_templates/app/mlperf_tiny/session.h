/* The application for benches: MLPerf Tiny's text protocol over a single graph
 * (docs/mlperf-tiny.md). */
#ifndef EDGE_SESSION_H
#define EDGE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/image.h"
#include "edge/port.h"
#include "edge/status.h"
#include "model.h"
#include "reply.h"

#define EDGE_COMMAND_MAX 256u /* characters before the terminator */

typedef struct edge_session {
  edge_port_info_t port;
  edge_image_t image;
  edge_model_t model;
  edge_status_t model_status; /* why there is no model */
  uint32_t announced;         /* bytes, by `db load`; 0: none */
  uint32_t received;          /* of them */
  bool has_results;           /* of the bytes that are loaded */
  edge_reply_t reply;
  char command[EDGE_COMMAND_MAX + 1u];
  uint32_t command_used;
  bool command_too_long;
} edge_session_t;

/* Serve the host. Returns never; a port ends the process when its host has gone. */
_Noreturn void edge_session_run(edge_session_t *session);

/* What edge_session_run does: start the port, open the model, say so; then take what arrives, in
 * pieces of any size. */
void edge_session_begin(edge_session_t *session);
void edge_session_receive(edge_session_t *session, const uint8_t *data, uint32_t size);

#endif
