/* The hypotheses of a beam and the pool of their tokens. */
#include "hypotheses.h"

#include <stddef.h>
#include <string.h>

#define NONE EDGE_SEARCH_NONE

static int64_t total(const edge_hypothesis_t *h) { return h->acoustic + h->bias; }

static int32_t clamped(int64_t value) {
  return value > INT32_MAX ? INT32_MAX : value < -INT32_MAX ? -INT32_MAX : (int32_t)value;
}

void edge_hypotheses_reset(edge_search_t *s) {
  for (uint32_t i = 0; i < s->max_tokens; i++) {
    s->nodes[i] = (edge_node_t){.parent = (uint16_t)(i + 1 < s->max_tokens ? i + 1 : NONE)};
  }
  s->free_node = 0;
  s->free_count = s->max_tokens;
  edge_hypothesis_t *first = &s->live[0];
  *first = (edge_hypothesis_t){.node = NONE, .output = NONE, .pending = 1};
  for (uint32_t i = 0; i < s->context_size; i++) {
    first->context[i] = (uint16_t)s->start;
  }
  s->live_count = 1;
  s->candidate_count = 0;
  s->told = s->told_path = s->committed = 0;
  s->committed_acoustic = s->committed_bias = 0;
}

static void release(edge_search_t *s, uint32_t node) {
  while (node != NONE && --s->nodes[node].references == 0) {
    const uint16_t parent = s->nodes[node].parent;
    s->nodes[node].parent = (uint16_t)s->free_node;
    s->free_node = node;
    s->free_count++;
    node = parent;
  }
}

/* Live and candidate hypotheses never need more than `beam` nodes at a time; see reserve. */
static uint16_t take_node(edge_search_t *s, edge_node_t content) {
  const uint32_t node = s->free_node;
  s->free_node = s->nodes[node].parent;
  s->free_count--;
  s->nodes[node] = content;
  if (content.parent != NONE) {
    s->nodes[content.parent].references++;
  }
  return (uint16_t)node;
}

bool edge_hypotheses_same(const edge_search_t *s, const edge_hypothesis_t *a,
                          const edge_hypothesis_t *b) {
  if (a->length != b->length) {
    return false;
  }
  uint32_t left = a->node, right = b->node;
  while (left != right) { /* of equal length, and what left the pool was common */
    if (s->nodes[left].token != s->nodes[right].token) {
      return false;
    }
    left = s->nodes[left].parent;
    right = s->nodes[right].parent;
  }
  return true;
}

/* The last node that all live hypotheses share, or NONE; *length: tokens up to it. */
static uint32_t common_node(const edge_search_t *s, uint32_t *length) {
  uint32_t node = s->live[0].node, tokens = s->live[0].length;
  for (uint32_t i = 1; i < s->live_count; i++) {
    uint32_t other = s->live[i].node, left = s->live[i].length;
    while (node != other) {
      const bool longer = tokens >= left, shorter = left >= tokens;
      if (longer) {
        node = s->nodes[node].parent;
        tokens--;
      }
      if (shorter) {
        other = s->nodes[other].parent;
        left--;
      }
    }
  }
  *length = tokens;
  return node;
}

uint32_t edge_hypotheses_mark(uint32_t position, uint32_t token) {
  uint32_t mark = (position * 0x9E3779B1u) ^ (token * 0x85EBCA77u);
  mark = (mark ^ mark >> 15) * 0x2C1B3C6Du;
  mark = (mark ^ mark >> 12) * 0x297A2D39u;
  return mark ^ mark >> 15;
}

void edge_hypotheses_tell(edge_search_t *s, const edge_listener_t *listener,
                          const edge_hypothesis_t *h, uint32_t length) {
  while (s->told < length) {
    s->told++;
    uint32_t node = h->node;
    for (uint32_t i = s->told; i < h->length; i++) {
      node = s->nodes[node].parent;
    }
    const edge_node_t *at = &s->nodes[node];
    s->told_path += edge_hypotheses_mark(s->told, at->token);
    if (listener->token != NULL) {
      const uint64_t time_us = (uint64_t)at->frame * s->frame_us;
      listener->token(listener->context, at->token, at->logprob, (uint32_t)(time_us / 1000));
    }
  }
}

/* Free the nodes that all live hypotheses share; they have been told. */
static void commit(edge_search_t *s) {
  uint32_t length;
  const uint32_t last = common_node(s, &length);
  if (last == NONE) {
    return;
  }
  for (uint32_t i = 0; i < s->live_count; i++) {
    if (s->live[i].node == last) {
      s->live[i].node = NONE;
    }
  }
  for (uint32_t i = 0; i < s->max_tokens; i++) {
    if (s->nodes[i].references != 0 && s->nodes[i].parent == last) {
      s->nodes[i].parent = NONE;
    }
  }
  for (uint32_t node = last; node != NONE;) {
    edge_node_t *freed = &s->nodes[node];
    const uint16_t parent = freed->parent;
    s->committed_acoustic += freed->acoustic;
    s->committed_bias += freed->bias;
    *freed = (edge_node_t){.parent = (uint16_t)s->free_node};
    s->free_node = node;
    s->free_count++;
    node = parent;
  }
  s->committed = length;
}

/* The best candidate's origin is the only live hypothesis, the best candidate the only one. */
static void keep_best(edge_search_t *s) {
  edge_candidate_t *best = &s->candidates[0];
  for (uint32_t i = 0; i < s->live_count; i++) {
    if (i != best->from) {
      release(s, s->live[i].node);
    }
  }
  s->live[0] = s->live[best->from];
  s->live_count = 1;
  best->from = 0;
  s->candidate_count = 1;
}

/* Make room in the pool for the tokens of the candidates. */
static void reserve(edge_search_t *s, const edge_listener_t *listener) {
  uint32_t needed = 0;
  for (uint32_t i = 0; i < s->candidate_count; i++) {
    needed += s->candidates[i].finished == 0;
  }
  if (s->free_count < needed) {
    commit(s);
  }
  if (s->free_count < needed) {
    keep_best(s);
    edge_hypotheses_tell(s, listener, &s->live[0], s->live[0].length);
    commit(s);
  }
}

/* Better: higher score, then the better origin; of one origin, the higher logit (scores may be
 * rounded to the same number), then the lower token. */
static bool better(const edge_candidate_t *a, const edge_candidate_t *b) {
  const int64_t left = a->acoustic + a->bias, right = b->acoustic + b->bias;
  if (left != right) {
    return left > right;
  }
  if (a->from != b->from) {
    return a->from < b->from;
  }
  return a->distance != b->distance ? a->distance < b->distance : a->token < b->token;
}

bool edge_hypotheses_offer(edge_search_t *s, const edge_candidate_t *candidate) {
  edge_candidate_t *list = s->candidates;
  uint32_t at = s->candidate_count;
  if (at == s->beam) {
    at--;
    if (!better(candidate, &list[at])) {
      return false;
    }
  } else {
    s->candidate_count++;
  }
  for (; at > 0 && better(candidate, &list[at - 1]); at--) {
    list[at] = list[at - 1];
  }
  list[at] = *candidate;
  return true;
}

/* Add the worse one's probability to the better one, which keeps its times. */
static void unite(edge_hypothesis_t *a, edge_hypothesis_t *b) {
  edge_hypothesis_t *kept = total(a) >= total(b) ? a : b;
  edge_hypothesis_t *dropped = kept == a ? b : a;
  const int32_t gain = edge_search_gain((uint64_t)(kept->acoustic - dropped->acoustic));
  kept->acoustic += gain;
  kept->tail += gain;
  dropped->finished = 0;
}

static void offer_finished(edge_search_t *s) {
  for (uint32_t i = 0; i < s->live_count; i++) {
    edge_hypothesis_t *h = &s->live[i];
    for (uint32_t j = i + 1; j < s->live_count && h->finished != 0; j++) {
      if (s->live[j].finished != 0 && edge_hypotheses_same(s, h, &s->live[j])) {
        unite(h, &s->live[j]);
      }
    }
    if (h->finished != 0) {
      const edge_candidate_t candidate = {.acoustic = h->acoustic,
                                          .bias = h->bias,
                                          .tail = h->tail,
                                          .token = s->blank,
                                          .from = (uint16_t)i,
                                          .distance = h->distance,
                                          .finished = 1};
      edge_hypotheses_offer(s, &candidate);
    }
  }
}

static void prune(edge_search_t *s) {
  const edge_candidate_t *list = s->candidates;
  const int64_t least = list[0].acoustic + list[0].bias - s->prune_q16;
  while (s->prune_q16 != 0 && s->candidate_count > 1 &&
         list[s->candidate_count - 1].acoustic + list[s->candidate_count - 1].bias < least) {
    s->candidate_count--;
  }
}

static void append(edge_search_t *s, edge_hypothesis_t *h, const edge_candidate_t *c) {
  h->node = take_node(s, (edge_node_t){.frame = s->frame,
                                       .logprob = c->logprob,
                                       .acoustic = clamped(c->tail),
                                       .bias = c->delta,
                                       .token = (uint16_t)c->token,
                                       .parent = h->node});
  h->tail = 0;
  h->length++;
  h->pending = 1;
  memmove(h->context, h->context + 1, sizeof *h->context * (s->context_size - 1));
  h->context[s->context_size - 1] = (uint16_t)c->token;
  if (edge_search_biased(s)) {
    const uint64_t start = edge_search_bias_begin(s);
    edge_bias_step(s->bias, &h->bias_state, c->token);
    edge_search_bias_end(s, start);
  }
}

/* The candidates as hypotheses take the place of the live ones. */
static void advance(edge_search_t *s) {
  for (uint32_t i = 0; i < s->candidate_count; i++) {
    const edge_candidate_t *c = &s->candidates[i];
    edge_hypothesis_t *h = &s->next[i];
    *h = s->live[c->from];
    h->acoustic = c->acoustic;
    h->bias = c->bias;
    h->tail = c->tail;
    h->finished = c->finished;
    h->distance = c->distance;
    if (c->finished == 0) {
      append(s, h, c);
    }
    if (h->node != NONE) {
      s->nodes[h->node].references++;
    }
  }
  for (uint32_t i = 0; i < s->live_count; i++) {
    release(s, s->live[i].node);
  }
  edge_hypothesis_t *old = s->live;
  s->live = s->next;
  s->next = old;
  s->live_count = s->candidate_count;
  s->candidate_count = 0;
}

void edge_hypotheses_select(edge_search_t *s, const edge_listener_t *listener) {
  offer_finished(s);
  prune(s);
  reserve(s, listener);
  advance(s);
  uint32_t length;
  common_node(s, &length);
  edge_hypotheses_tell(s, listener, &s->live[0], length);
}
