/* What the files of the search share: scores of logits, and the hypotheses with their pool. */
#ifndef EDGE_HYPOTHESES_H
#define EDGE_HYPOTHESES_H

#include <stddef.h>

#include "edge/search.h"

/* Natural logarithm, Q24, of the sum of exp(scale * (logit - best)). */
uint64_t edge_search_ln_sum(const edge_search_t *search, const int8_t *logits, int32_t best);

/* Log probability in Q16.16 of a logit `distance` below the largest. */
int32_t edge_search_score(const edge_search_t *search, uint32_t distance, uint64_t ln_sum_q24);

/* One hypothesis without tokens, an empty pool. */
void edge_hypotheses_reset(edge_search_t *search);

/* Whether tables are active. */
static inline bool edge_search_biased(const edge_search_t *search) {
  return search->bias != NULL && search->bias->count > 0;
}

/* Around what the active tables do: the first call's result is the second one's `start`. */
static inline uint64_t edge_search_bias_begin(const edge_search_t *search) {
  return search->bias_clock != NULL ? search->bias_clock() : 0;
}

static inline void edge_search_bias_end(const edge_search_t *search, uint64_t start) {
  if (search->bias_clock != NULL) {
    *search->bias_cost += search->bias_clock() - start;
  }
}

/* Insert a candidate where it is among the best `beam`; otherwise return false. */
bool edge_hypotheses_offer(edge_search_t *search, const edge_candidate_t *candidate);

/* Unite finished hypotheses of equal tokens, then let the best of them and of the candidates be
 * the live ones, and tell the tokens that have become common. */
void edge_hypotheses_select(edge_search_t *search, const edge_listener_t *listener);

/* Whether both have the same tokens. */
bool edge_hypotheses_same(const edge_search_t *search, const edge_hypothesis_t *a,
                          const edge_hypothesis_t *b);

/* What token number `position` adds to edge_search_path; sums do not depend on who adds it when. */
uint32_t edge_hypotheses_mark(uint32_t position, uint32_t token);

/* Tell the tokens of a hypothesis that were not told yet, up to number `length`. */
void edge_hypotheses_tell(edge_search_t *search, const edge_listener_t *listener,
                          const edge_hypothesis_t *h, uint32_t length);

#endif
