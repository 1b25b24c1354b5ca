/* Beam search of a transducer over quantised logits, with fixed-point scores: Q16.16, natural
 * logarithms. Greedy search is the case of one hypothesis.
 *
 * Every encoder frame, hypotheses are extended by a blank, which ends the frame for them, or by a
 * token, up to `max_symbols` times; the best `beam` of all extensions live on. Hypotheses of equal
 * tokens that end a frame are one: their probabilities add, and the likelier one's times stay.
 * Tokens lie in a pool of nodes that point back to their predecessors. A token that all hypotheses
 * share is told at once; such tokens leave the pool when it is full, and where that is not enough,
 * all hypotheses but the best are dropped. */
#ifndef EDGE_SEARCH_H
#define EDGE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/bias.h"
#include "edge/endpoint.h"
#include "edge/graph.h"
#include "edge/status.h"

#define EDGE_SEARCH_MAX_CONTEXT 8u
#define EDGE_SEARCH_MAX_BEAM 16u
#define EDGE_SEARCH_NONE 0xFFFFu

/* The three graphs as functions. `encode` takes one window of quantised features
 * [window_frames * mel_bins] and returns encoder_out [joiner_dim * frames_out]. */
typedef struct edge_runner {
  void *context;
  edge_status_t (*reset)(void *context);
  edge_status_t (*encode)(void *context, const int8_t *features, int8_t *encoder_out);
  edge_status_t (*predict)(void *context, const int32_t *history, int8_t *predictor_out);
  edge_status_t (*join)(void *context, const int8_t *encoder_out, const int8_t *predictor_out,
                        int8_t *logits);
  /* A predictor with a state: keep it as number `place`, below the search's `cache`, and make a
   * kept one the state of the next call. Both NULL where `predict` depends on the history alone;
   * not called with a beam of 1. */
  edge_status_t (*save)(void *context, uint32_t place);
  edge_status_t (*restore)(void *context, uint32_t place);
  /* Set predictor and joiner, but not the encoder, to their start states, for the next utterance of
   * a stream. NULL where they have no state. */
  edge_status_t (*restart)(void *context);
  /* Let the adapter change encoder_out in place, with keys and values as in edge/attention.h.
   * Called only where the image has an adapter and phrases are active. */
  edge_status_t (*adapt)(void *context, const int8_t *keys, const int8_t *values,
                         int8_t *encoder_out);
} edge_runner_t;

/* What the search tells its owner; every pointer is valid only during the call. Functions may be
 * NULL. */
typedef struct edge_listener {
  void *context;
  /* A token of all hypotheses: id, log probability, time of its encoder frame. Tokens come in
   * order and are never taken back. */
  void (*token)(void *context, int32_t token, int32_t logprob_q16, uint32_t time_ms);
  /* Every joiner call, in order: encoder frame, symbol index within the frame, logits. */
  void (*logits)(void *context, uint32_t frame, uint32_t symbol, const int8_t *logits,
                 uint32_t size);
  /* An end point, or that speech goes on behind a speculative one. */
  void (*endpoint)(void *context, const edge_endpoint_event_t *event);
} edge_listener_t;

/* A token of some hypotheses, in the pool. */
typedef struct edge_node {
  uint32_t frame;      /* encoder frame */
  int32_t logprob;     /* of the token alone */
  int32_t acoustic;    /* score since the node before: blanks, merging and the token */
  int32_t bias;        /* what biasing added */
  uint16_t token;      /* id */
  uint16_t parent;     /* node of the token before, or NONE; of a free node: the next free one */
  uint16_t references; /* by later nodes and by hypotheses; 0: free */
  uint16_t reserved;
} edge_node_t;

typedef struct edge_hypothesis {
  int64_t acoustic; /* scores since the reset */
  int64_t bias;
  int64_t tail;    /* acoustic score since the last token */
  uint32_t length; /* tokens since the reset */
  edge_bias_state_t bias_state;
  uint16_t context[EDGE_SEARCH_MAX_CONTEXT]; /* last tokens, oldest first */
  uint16_t node;                             /* last token, or NONE */
  uint16_t output;  /* of the predictor: its own; while `pending`, the one before; or NONE */
  uint8_t pending;  /* the predictor has not seen the last token */
  uint8_t finished; /* the frame, by a blank */
  uint8_t distance; /* of that blank's logit to the largest */
  uint8_t reserved;
} edge_hypothesis_t;

/* A possible extension of live hypothesis `from`: by a token, or, finished, by nothing more. */
typedef struct edge_candidate {
  int64_t acoustic, bias, tail; /* of the extended hypothesis */
  int32_t logprob, delta;       /* of the token: acoustic and biasing */
  uint32_t token;               /* the blank where finished */
  uint16_t from;
  uint8_t distance; /* of its logit to the largest */
  uint8_t finished;
} edge_candidate_t;

/* A kept output of the predictor. */
typedef struct edge_output {
  uint32_t used; /* when; 0: never */
  uint16_t context[EDGE_SEARCH_MAX_CONTEXT];
} edge_output_t;

/* A word of the lattice, and the state that it leads to. */
typedef struct edge_arc {
  uint16_t from, to;   /* states; arc i leads to state i + 1 or to one that took its place */
  uint16_t node;       /* last token, or NONE: the end of an utterance */
  uint16_t tokens;     /* of the word */
  uint32_t start, end; /* encoder frames of its first and last token */
  int32_t acoustic;    /* scores */
  int32_t bias;
  uint16_t next;    /* another arc from the same state, or NONE */
  uint16_t first;   /* of state i + 1: an arc from there, or NONE */
  uint16_t height;  /* of state i + 1: words to the end, at most; later the state's number */
  uint16_t leaving; /* of state i + 1: arcs from there; GONE where another took its place */
} edge_arc_t;

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
  uint32_t beam;            /* hypotheses */
  uint32_t prune_q16;       /* hypotheses so much below the best are dropped; 0: none is */
  uint32_t max_tokens;      /* nodes of the pool */
  uint32_t cache;           /* outputs of the predictor that are kept */
  uint32_t nbest;           /* hypotheses in the results */
  uint32_t max_arcs;        /* of the lattice */
  const uint8_t *exp_q24;   /* u32[256], any alignment */
  const edge_bias_t *bias;  /* caller's, may change between utterances; NULL: none */
  edge_clock_fn bias_clock; /* caller's, counts what active tables cost; NULL: none does */
  uint64_t *bias_cost;      /* caller's, added to in that clock */
  edge_hypothesis_t *live;  /* the best one first */
  edge_hypothesis_t *next;
  edge_candidate_t *candidates; /* the best one first */
  edge_node_t *nodes;
  edge_output_t *outputs;
  edge_arc_t *arcs;
  int8_t *predictor_out; /* cache * joiner_dim */
  int8_t *logits;        /* vocab */
  int32_t *deltas;       /* vocab */
  uint32_t live_count, candidate_count, arc_count, state_count;
  uint32_t free_node, free_count;             /* of the pool */
  uint32_t frame;                             /* encoder frames decoded */
  uint32_t told;                              /* tokens since the reset */
  uint32_t told_path;                         /* of these, as edge_search_path */
  uint32_t committed;                         /* of these, those that left the pool */
  int64_t committed_acoustic, committed_bias; /* their scores */
  uint32_t clock;                             /* counts predictor calls and hits */
  uint32_t hits;                              /* of these, hits */
  uint32_t state_of; /* output that the predictor's state belongs to, or NONE */
  bool ended;        /* by edge_search_finish: results are there */
} edge_search_t;

/* Validate a SRCH section, of any alignment, which stays valid. */
edge_status_t edge_search_open(edge_search_t *search, const uint8_t *section, uint32_t size);

/* Bytes of memory that edge_search_bind takes, a multiple of 16. */
uint32_t edge_search_memory(const edge_search_t *search);

/* Give memory, 16-byte aligned, edge_search_memory bytes, and reset. */
void edge_search_bind(edge_search_t *search, void *memory);

/* Start a new utterance; the predictor must be at its start state. */
void edge_search_reset(edge_search_t *search);

/* Decode one encoder frame of joiner_dim values. The predictor runs once per history, before the
 * first joiner call that needs it; one joiner call serves all hypotheses of one output. */
edge_status_t edge_search_frame(edge_search_t *search, const edge_runner_t *runner,
                                const edge_listener_t *listener, const int8_t *encoder_out);

/* End the utterance: refund unfinished phrases, sort the hypotheses, tell the best one's rest. */
void edge_search_finish(edge_search_t *search, const edge_listener_t *listener);

/* Tokens of the best hypothesis that were not told yet, and the one with `index` among them. */
uint32_t edge_search_untold(const edge_search_t *search);
uint32_t edge_search_untold_token(const edge_search_t *search, uint32_t index);

/* A number for the best hypothesis' tokens since the reset: equal where they are equal, and of two
 * other sequences almost never. */
uint32_t edge_search_path(const edge_search_t *search);

/* Index of the largest logit, the lowest one where several are. */
uint32_t edge_search_argmax(const int8_t *logits, uint32_t count);

/* Log softmax at `token` (natural log, Q16.16, at most 0). */
int32_t edge_search_logprob(const edge_search_t *search, const int8_t *logits, uint32_t token);

/* ln(exp(a) + exp(b)) - max(a, b) in Q16.16 for |a - b| = distance_q16. */
int32_t edge_search_gain(uint64_t distance_q16);

#endif
