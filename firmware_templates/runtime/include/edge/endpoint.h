/* Two end-pointers over one stream of facts: a speculative one, which fires early so that later
 * stages can start, and a final one, which confirms or revises it.
 *
 * Each fires by rules (trailing silence, length) or by a linear score of features of the search and
 * of the audio's level. All is integer arithmetic: times in microseconds, levels and features in
 * Q8, scores in Q16. docs/endpointing.md says what the features are. */
#ifndef EDGE_ENDPOINT_H
#define EDGE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/status.h"

#define EDGE_ENDPOINT_RULES 3u
#define EDGE_ENDPOINT_FEATURES 8u

/* What a recogniser does with end points. */
typedef enum edge_endpoint_mode {
  EDGE_ENDPOINT_OFF = 0,
  EDGE_ENDPOINT_WATCH = 1,   /* tell them; the search goes on as without */
  EDGE_ENDPOINT_STOP = 2,    /* end the utterance at the first final one */
  EDGE_ENDPOINT_SEGMENT = 3, /* at each final one, start a new utterance in the same stream */
} edge_endpoint_mode_t;

typedef enum edge_endpoint_kind {
  EDGE_ENDPOINT_NONE = 0,
  EDGE_ENDPOINT_SPECULATIVE = 1, /* speech has probably ended: a provisional result */
  EDGE_ENDPOINT_RESUMED = 2,     /* it has not: the provisional result is void */
  EDGE_ENDPOINT_FINAL = 3,       /* it has: confirms the provisional result or revises it */
} edge_endpoint_kind_t;

typedef struct edge_endpoint_rule {
  bool enabled;
  bool must_speak;      /* only where something was decoded */
  uint32_t trailing_ms; /* silence at the end, at least */
  uint32_t length_ms;   /* of the utterance, at least */
} edge_endpoint_rule_t;

typedef struct edge_endpoint_settings {
  edge_endpoint_rule_t rule[EDGE_ENDPOINT_RULES];
  bool scored;           /* also by score, where something was decoded */
  uint32_t min_pause_ms; /* trailing silence below which the score does not count */
  int32_t threshold_q16; /* the score reaches it */
  int32_t bias_q16;
  int32_t weights_q16[EDGE_ENDPOINT_FEATURES]; /* per whole unit of a feature */
} edge_endpoint_settings_t;

/* The best hypothesis after an encoder frame. */
typedef struct edge_endpoint_facts {
  uint32_t tokens;   /* since the search's reset */
  uint32_t path;     /* a number for these tokens: another where one of them is another */
  bool open_word;    /* the last token only begins a word */
  int32_t margin_q8; /* natural log odds of the blank against the best token */
} edge_endpoint_facts_t;

typedef struct edge_endpoint {
  edge_endpoint_settings_t speculative, final;
  int32_t resume_q16; /* a speculative score below it means that speech goes on */
  uint32_t frame_us;  /* microseconds per encoder frame */
  uint32_t level_us;  /* microseconds per feature frame */
  /* audio */
  int32_t level_q8, floor_q8, peak_q8; /* natural logarithms of energy */
  bool heard;                          /* levels hold something */
  uint64_t quiet_us;                   /* since the level was that of speech */
  /* search */
  edge_endpoint_facts_t last;
  int32_t margin_q8;                        /* smoothed */
  uint32_t first_token;                     /* tokens before this utterance */
  uint64_t length_us, trailing_us, same_us; /* of the utterance; since its last token, or change */
  /* state */
  bool speculating;
  bool confirmed;   /* the final result is the provisional one */
  bool revised;     /* the best hypothesis changed since the provisional result */
  uint32_t version; /* of the result, counted within the utterance; 0: none yet */
  uint32_t index;   /* of the utterance */
} edge_endpoint_t;

/* What a recogniser tells of its end-pointers. */
typedef struct edge_endpoint_event {
  edge_endpoint_kind_t kind;
  uint32_t utterance; /* of the stream, from 0 */
  uint32_t version;   /* of the result: equal to the provisional one's where it is confirmed */
  uint32_t time_ms;   /* audio taken so far */
  uint32_t tokens;    /* of the best hypothesis, in this utterance */
  uint32_t untold;    /* of these, the last ones, not told yet (edge_search_untold_token) */
} edge_endpoint_event_t;

/* Validate an ENDP section, of any alignment; NULL means no end-pointing. */
edge_status_t edge_endpoint_open(edge_endpoint_t *e, const uint8_t *section, uint32_t size,
                                 uint32_t frame_us, uint32_t level_us);

/* Start a new stream. */
void edge_endpoint_reset(edge_endpoint_t *e);

/* Start the next utterance of the stream, after `tokens` of the search; levels stay. */
void edge_endpoint_next(edge_endpoint_t *e, uint32_t tokens);

/* Take the level of a feature frame. */
void edge_endpoint_level(edge_endpoint_t *e, int32_t level_q8);

/* Take the best hypothesis after an encoder frame. */
void edge_endpoint_take(edge_endpoint_t *e, const edge_endpoint_facts_t *facts);

/* What that means, by the caller's score of the features, or by the settings' own where it is NULL.
 * After FINAL, the caller goes on with edge_endpoint_next. */
edge_endpoint_kind_t edge_endpoint_decide(edge_endpoint_t *e, const int32_t *score_q16);

/* Both, by the settings' own score. */
edge_endpoint_kind_t edge_endpoint_step(edge_endpoint_t *e, const edge_endpoint_facts_t *facts);

/* After FINAL, take the best hypothesis of a search that has finished since, and may have chosen
 * another one. */
void edge_endpoint_settle(edge_endpoint_t *e, const edge_endpoint_facts_t *facts);

/* The features that the last step looked at. */
void edge_endpoint_features(const edge_endpoint_t *e, int32_t features_q8[EDGE_ENDPOINT_FEATURES]);

/* A feature's greatest size. */
extern const int32_t edge_endpoint_range_q8[EDGE_ENDPOINT_FEATURES];

/* Score of features: bias and weighted sum. */
int64_t edge_endpoint_score(const edge_endpoint_settings_t *settings,
                            const int32_t features_q8[EDGE_ENDPOINT_FEATURES]);

#endif
