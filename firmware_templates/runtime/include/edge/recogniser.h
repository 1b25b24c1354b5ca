/* The streaming recogniser: PCM in, tokens out. Features -> encoder (-> adapter, where phrases are
 * active for attention) -> transducer search.
 *
 * One recogniser serves the device (graphs of the image) and emulation (the caller's graphs, by
 * edge_runner_t), so both share features, search and chunking to the last bit. edge_runner_t and
 * edge_listener_t are in search.h. */
#ifndef EDGE_RECOGNISER_H
#define EDGE_RECOGNISER_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/attention.h"
#include "edge/bias_store.h"
#include "edge/endpoint.h"
#include "edge/features.h"
#include "edge/graph.h"
#include "edge/image.h"
#include "edge/lattice.h"
#include "edge/search.h"
#include "edge/status.h"
#include "edge/tokens.h"

/* Costs in the port's clock, summed since the last edge_recogniser_reset. `search` is what
 * hypotheses cost, without the other parts; `bias` is what active tables do for them. */
typedef struct edge_costs {
  uint64_t features, encoder, adapter, predictor, joiner, search, bias, lattice, endpoint;
  uint32_t encoder_calls, adapter_calls, predictor_calls, joiner_calls;
  uint32_t endpoint_calls; /* of the end-pointers' graph */
  uint32_t predictor_hits; /* outputs of the predictor that were there already */
} edge_costs_t;

typedef struct edge_recogniser {
  edge_runner_t runner;
  edge_listener_t listener;
  edge_clock_fn clock;
  edge_costs_t costs;
  edge_graph_t encoder, predictor, joiner; /* unused with a caller's runner */
  edge_graph_t adapter;                    /* without a section where the image lacks it */
  edge_attention_t attention;
  bool attending; /* phrases are active in this utterance */
  edge_features_t features;
  edge_search_t search;
  edge_endpoint_t endpoint;
  edge_graph_t endpoint_graph; /* its score, where the image has one; without operators: none */
  edge_endpoint_mode_t endpoint_mode; /* changed only between two streams; resets keep it */
  bool has_endpoint;                  /* the image has settings for it */
  bool frame_begins;                  /* the next joiner call is its frame's first */
  int32_t margin_q8;                  /* of the blank, in that call */
  uint64_t samples;                   /* taken since the reset */
  edge_bias_store_t bias;             /* changed only between two utterances; resets keep it */
  edge_tokens_t tokens;
  uint8_t *predictor_states; /* cache * state_bytes, where the beam is above 1 */
  int8_t *window;            /* window_frames * mel_bins quantised features */
  int8_t *encoder_out;       /* frames_out * joiner_dim */
  uint32_t window_filled;    /* frames in the window */
  uint32_t window_new;       /* of these, frames that the encoder has not seen */
  uint32_t ended;            /* finished or failed: only a reset goes on */
  bool stopped;              /* by an end point: samples are dropped until the end */
} edge_recogniser_t;

/* Bytes of workspace that an image needs (arena, states, feature, search and chunk buffers, room
 * for bias tables). The converter predicts the same number. */
edge_status_t edge_recogniser_workspace(const edge_image_t *image, uint32_t *bytes);

/* Prepare for an image that edge_image_open accepted, refuse sections that do not belong together,
 * and reset. `workspace` is 16-byte aligned. `r` must stay where it is. With `runner` NULL the
 * image's own graphs run; `listener` and `clock` may be NULL. */
edge_status_t edge_recogniser_open(edge_recogniser_t *r, const edge_image_t *image,
                                   const edge_runner_t *runner, const edge_listener_t *listener,
                                   edge_clock_fn clock, void *workspace, uint32_t workspace_bytes);

/* edge_graph_attach for all graphs of the image: before the first push. */
edge_status_t edge_recogniser_attach(edge_recogniser_t *r, edge_npu_t *npu);

/* Take any number of samples (16 kHz or the image's rate) and run all that they complete. */
edge_status_t edge_recogniser_push(edge_recogniser_t *r, const int16_t *samples, uint32_t count);

/* End of utterance: feed the image's tail of silence, pad the last window, decode it. Afterwards,
 * and after any error, only a reset goes on: EDGE_BAD_STATE. */
edge_status_t edge_recogniser_finish(edge_recogniser_t *r);

/* Write the finished utterance's best hypotheses and lattice, as edge_lattice_write does.
 * EDGE_BAD_STATE before its end. */
edge_status_t edge_recogniser_results(const edge_recogniser_t *r, const edge_sink_t *sink);

/* What to do with end points, from the next edge_recogniser_reset on; OFF after opening.
 * EDGE_BAD_ARGUMENT where the image has no settings for others. */
edge_status_t edge_recogniser_endpoint(edge_recogniser_t *r, edge_endpoint_mode_t mode);

/* Forget the utterance: start states, empty history, frame 0. */
edge_status_t edge_recogniser_reset(edge_recogniser_t *r);

#endif
