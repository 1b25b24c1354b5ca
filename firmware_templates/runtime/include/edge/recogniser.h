/* The streaming recogniser: PCM in, tokens out. Features -> encoder -> transducer search.
 *
 * One recogniser serves the device (graphs of the image) and emulation (the caller's graphs, by
 * edge_runner_t), so both share features, search and chunking to the last bit. */
#ifndef EDGE_RECOGNISER_H
#define EDGE_RECOGNISER_H

#include <stdint.h>

#include "edge/features.h"
#include "edge/graph.h"
#include "edge/image.h"
#include "edge/search.h"
#include "edge/status.h"

/* The three graphs as functions. `encode` takes one window of quantised features
 * [window_frames * mel_bins] and returns encoder_out [joiner_dim * frames_out]. */
typedef struct edge_runner {
  void *context;
  edge_status_t (*reset)(void *context);
  edge_status_t (*encode)(void *context, const int8_t *features, int8_t *encoder_out);
  edge_status_t (*predict)(void *context, const int32_t *history, int8_t *predictor_out);
  edge_status_t (*join)(void *context, const int8_t *encoder_out, const int8_t *predictor_out,
                        int8_t *logits);
} edge_runner_t;

/* What the recogniser tells its owner; every pointer is valid only during the call. */
typedef struct edge_listener {
  void *context;
  /* A token was emitted: id, log probability in Q16.16 (natural log), time of its encoder frame. */
  void (*token)(void *context, int32_t token, int32_t logprob_q16, uint32_t time_ms);
  /* Every joiner call, in order: encoder frame, symbol index within the frame, logits. */
  void (*logits)(void *context, uint32_t frame, uint32_t symbol, const int8_t *logits,
                 uint32_t size);
} edge_listener_t;

/* Costs in the port's clock, summed since the last edge_recogniser_reset. */
typedef struct edge_costs {
  uint64_t features, encoder, predictor, joiner, search;
  uint32_t encoder_calls, predictor_calls, joiner_calls;
} edge_costs_t;

typedef struct edge_recogniser {
  edge_runner_t runner;
  edge_listener_t listener;
  edge_clock_fn clock;
  edge_costs_t costs;
  edge_graph_t encoder, predictor, joiner; /* unused with a caller's runner */
} edge_recogniser_t;

/* Bytes of workspace that an image needs (arena, states, feature, search and chunk buffers). The
 * converter predicts the same number. */
edge_status_t edge_recogniser_workspace(const edge_image_t *image, uint32_t *bytes);

/* Prepare for an image that edge_image_open accepted. `workspace` is 16-byte aligned. With
 * `runner` NULL the image's own graphs run; `clock` may be NULL. */
edge_status_t edge_recogniser_open(edge_recogniser_t *r, const edge_image_t *image,
                                   const edge_runner_t *runner, const edge_listener_t *listener,
                                   edge_clock_fn clock, void *workspace, uint32_t workspace_bytes);

/* Take any number of samples (16 kHz or the image's rate) and run all that they complete. */
edge_status_t edge_recogniser_push(edge_recogniser_t *r, const int16_t *samples, uint32_t count);

/* End of utterance: feed the image's tail of silence, pad the last window, decode it. */
edge_status_t edge_recogniser_finish(edge_recogniser_t *r);

/* Forget the utterance: start states, empty history, frame 0. */
edge_status_t edge_recogniser_reset(edge_recogniser_t *r);

#endif
