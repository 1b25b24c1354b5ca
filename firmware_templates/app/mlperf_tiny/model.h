/* A graph as benches see it: bytes go in, real numbers come out. */
#ifndef EDGE_MODEL_H
#define EDGE_MODEL_H

#include <stdint.h>

#include "edge/graph.h"
#include "edge/image.h"
#include "edge/port.h"
#include "edge/status.h"
#include "reply.h"

/* What the host's bytes are. */
typedef enum edge_feed {
  EDGE_FEED_TENSORS, /* the input tensors, one after another */
  EDGE_FEED_PIXELS,  /* uint8, of which the int8 tensor holds each less 128 */
  EDGE_FEED_FLOATS,  /* float32, which are quantised; the result is how far the output is off */
} edge_feed_t;

typedef struct edge_model {
  edge_graph_t graph;
  const char *id; /* of the benchmark with such tensors, which says what the host sends */
  edge_feed_t feed;
  uint8_t *loaded; /* the host's bytes; pixels less 128 */
  uint32_t loaded_bytes;
  uint8_t *tensors; /* the inputs that they become: a run may use the memory of its inputs */
  uint32_t tensor_bytes;
} edge_model_t;

/* Take the image's single graph; `loaded` and `tensors` lie behind it in the port's workspace. */
edge_status_t edge_model_open(edge_model_t *model, const edge_image_t *image,
                              const edge_port_info_t *port);

/* A byte of the host's at a place below loaded_bytes, and what is there. */
void edge_model_put(edge_model_t *model, uint32_t index, uint8_t byte);
uint8_t edge_model_get(const edge_model_t *model, uint32_t index);

/* Make the input tensors of all the host's bytes. */
void edge_model_prepare(edge_model_t *model);

/* One run from the start values of all states. */
edge_status_t edge_model_infer(edge_model_t *model);

/* The results of the last run, with commas between them. */
void edge_model_tell(const edge_model_t *model, edge_reply_t *reply);

#endif
