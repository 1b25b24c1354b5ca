/* Greedy transducer search over quantised logits, with fixed-point log probabilities. */
#ifndef EDGE_SEARCH_H
#define EDGE_SEARCH_H

#include <stdint.h>

#include "edge/status.h"

#define EDGE_SEARCH_MAX_CONTEXT 8u

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

/* What the search tells its owner; every pointer is valid only during the call. Functions may be
 * NULL. */
typedef struct edge_listener {
  void *context;
  /* A token was emitted: id, log probability in Q16.16 (natural log), time of its encoder frame. */
  void (*token)(void *context, int32_t token, int32_t logprob_q16, uint32_t time_ms);
  /* Every joiner call, in order: encoder frame, symbol index within the frame, logits. */
  void (*logits)(void *context, uint32_t frame, uint32_t symbol, const int8_t *logits,
                 uint32_t size);
} edge_listener_t;

typedef struct edge_search {
  uint32_t blank;        /* token id */
  uint32_t start;        /* token id that fills the history at the start */
  uint32_t context_size; /* tokens of history */
  uint32_t max_symbols;  /* per encoder frame */
  uint32_t vocab;
  uint32_t joiner_dim;
  uint32_t frames_out;      /* encoder frames per encoder call */
  uint32_t frame_us;        /* microseconds per encoder frame */
  uint32_t logit_scale_q24; /* natural-log units per logit step */
  const uint8_t *exp_q24;   /* u32[256], any alignment */
  int8_t *predictor_out;    /* joiner_dim */
  int8_t *logits;           /* vocab */
  int32_t *history;         /* context_size, oldest first */
  uint32_t frame;           /* encoder frames decoded */
  uint32_t predicted;       /* predictor_out belongs to the history */
} edge_search_t;

/* Validate a SRCH section, of any alignment, which stays valid. */
edge_status_t edge_search_open(edge_search_t *search, const uint8_t *section, uint32_t size);

/* Bytes of memory that edge_search_bind takes, a multiple of 16. */
uint32_t edge_search_memory(const edge_search_t *search);

/* Give memory, 16-byte aligned, edge_search_memory bytes, and reset. */
void edge_search_bind(edge_search_t *search, void *memory);

/* Start a new utterance. */
void edge_search_reset(edge_search_t *search);

/* Decode one encoder frame of joiner_dim values. The predictor runs once per history, before the
 * first joiner call that needs it, so a stateful predictor sees every token once. */
edge_status_t edge_search_frame(edge_search_t *search, const edge_runner_t *runner,
                                const edge_listener_t *listener, const int8_t *encoder_out);

/* Index of the largest logit, the lowest one where several are. */
uint32_t edge_search_argmax(const int8_t *logits, uint32_t count);

/* Log softmax at `token` (natural log, Q16.16, at most 0). */
int32_t edge_search_logprob(const edge_search_t *search, const int8_t *logits, uint32_t token);

#endif
