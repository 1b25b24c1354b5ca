#include "edge/lattice.h"

#include <string.h>

#define NONE EDGE_SEARCH_NONE
#define END 0xFFFEu  /* the last state, before states are numbered */
#define GONE 0xFFFFu /* `leaving` of a state that another one took the place of */

static int32_t clamped(int64_t value) {
  return value > INT32_MAX ? INT32_MAX : value < -INT32_MAX ? -INT32_MAX : (int32_t)value;
}

/* Whether a token begins a word: its text starts with the word mark U+2581. */
static bool begins_word(const edge_tokens_t *tokens, uint32_t token) {
  const uint8_t *piece;
  uint32_t bytes;
  return edge_tokens_piece(tokens, (int32_t)token, &piece, &bytes) == EDGE_OK && bytes >= 3 &&
         memcmp(piece, "\xe2\x96\x81", 3) == 0;
}

/* The word that ends in `node`, with its times and scores. */
static edge_arc_t word_of(const edge_search_t *s, const edge_tokens_t *tokens, uint32_t node) {
  edge_arc_t arc = {.from = NONE, .node = (uint16_t)node, .first = NONE, .next = NONE};
  int64_t acoustic = 0, bias = 0;
  arc.end = s->nodes[node].frame;
  for (;;) {
    const edge_node_t *at = &s->nodes[node];
    acoustic += at->acoustic;
    bias += at->bias;
    arc.tokens++;
    arc.start = at->frame;
    if (at->parent == NONE || begins_word(tokens, at->token)) {
      break;
    }
    node = at->parent;
  }
  arc.acoustic = clamped(acoustic);
  arc.bias = clamped(bias);
  return arc;
}

/* The last node of the word before the one that ends in `node`, or NONE. */
static uint32_t word_before(const edge_search_t *s, const edge_tokens_t *tokens, uint32_t node) {
  while (s->nodes[node].parent != NONE && !begins_word(tokens, s->nodes[node].token)) {
    node = s->nodes[node].parent;
  }
  return s->nodes[node].parent;
}

/* The state behind the word that ends in `node`; NONE where there is none yet. */
static uint32_t state_behind(const edge_search_t *s, uint32_t node) {
  if (node == NONE) {
    return 0;
  }
  for (uint32_t i = 0; i < s->arc_count; i++) {
    if (s->arcs[i].node == node) {
      return i + 1;
    }
  }
  return NONE;
}

/* What the end of the utterance adds to a path: trailing blanks and refunds. */
static edge_arc_t end_of(const edge_search_t *s, const edge_hypothesis_t *h) {
  int64_t acoustic = h->acoustic - s->committed_acoustic, bias = h->bias - s->committed_bias;
  for (uint32_t node = h->node; node != NONE; node = s->nodes[node].parent) {
    acoustic -= s->nodes[node].acoustic;
    bias -= s->nodes[node].bias;
  }
  return (edge_arc_t){.to = END,
                      .node = NONE,
                      .first = NONE,
                      .next = NONE,
                      .leaving = GONE,
                      .start = s->frame,
                      .end = s->frame,
                      .acoustic = clamped(acoustic),
                      .bias = clamped(bias)};
}

/* Add a hypothesis's words behind what is there already; false where its arcs do not fit. */
static bool add_path(edge_search_t *s, const edge_tokens_t *tokens, const edge_hypothesis_t *h) {
  uint32_t needed = 1;
  for (uint32_t node = h->node; state_behind(s, node) == NONE;
       node = word_before(s, tokens, node)) {
    needed++;
  }
  if (needed > s->max_arcs - s->arc_count) {
    return false;
  }
  edge_arc_t *later = &s->arcs[s->arc_count++];
  *later = end_of(s, h);
  uint32_t node = h->node;
  while (state_behind(s, node) == NONE) {
    edge_arc_t *arc = &s->arcs[s->arc_count++];
    *arc = word_of(s, tokens, node);
    arc->to = (uint16_t)s->arc_count;
    later->from = arc->to;
    later = arc;
    node = word_before(s, tokens, node);
  }
  later->from = (uint16_t)state_behind(s, node);
  return true;
}

/* Chain the arcs that leave each state, and count them. */
static void link_arcs(edge_search_t *s) {
  for (uint32_t i = s->arc_count; i-- > 0;) {
    edge_arc_t *arc = &s->arcs[i];
    if (arc->from != 0) {
      edge_arc_t *state = &s->arcs[arc->from - 1];
      arc->next = state->first;
      state->first = (uint16_t)i;
      state->leaving++;
    }
  }
}

/* Words from each state to the end, at most; returns the largest. */
static uint32_t measure_heights(edge_search_t *s) {
  uint32_t largest = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = 0; i < s->arc_count; i++) {
      const edge_arc_t *arc = &s->arcs[i];
      const uint32_t height = 1u + (arc->to == END ? 0u : s->arcs[arc->to - 1].height);
      if (arc->from != 0 && height > s->arcs[arc->from - 1].height) {
        s->arcs[arc->from - 1].height = (uint16_t)height;
        largest = height > largest ? height : largest;
        changed = true;
      }
    }
  }
  return largest;
}

static bool same_word(const edge_search_t *s, const edge_arc_t *a, const edge_arc_t *b) {
  if (a->to != b->to || a->start != b->start || a->end != b->end || a->tokens != b->tokens) {
    return false;
  }
  uint32_t left = a->node, right = b->node;
  for (uint32_t i = 0; i < a->tokens && left != right; i++) {
    if (s->nodes[left].token != s->nodes[right].token) {
      return false;
    }
    left = s->nodes[left].parent;
    right = s->nodes[right].parent;
  }
  return true;
}

/* Whether the same words leave both states, each by the same difference in scores. */
static bool same_future(const edge_search_t *s, uint32_t kept, uint32_t gone, int64_t *acoustic,
                        int64_t *bias) {
  const edge_arc_t *a = &s->arcs[kept - 1], *b = &s->arcs[gone - 1];
  if (a->leaving != b->leaving || a->height != b->height) {
    return false;
  }
  for (uint32_t j = b->first; j != NONE; j = s->arcs[j].next) {
    uint32_t i = a->first;
    while (i != NONE && !same_word(s, &s->arcs[i], &s->arcs[j])) {
      i = s->arcs[i].next;
    }
    if (i == NONE) {
      return false;
    }
    const int64_t louder = (int64_t)s->arcs[j].acoustic - s->arcs[i].acoustic;
    const int64_t likelier = (int64_t)s->arcs[j].bias - s->arcs[i].bias;
    if (j != b->first && (louder != *acoustic || likelier != *bias)) {
      return false;
    }
    *acoustic = louder;
    *bias = likelier;
  }
  return true;
}

/* State `kept` takes the place of `gone`; the arc that led there carries the difference. */
static void take_place(edge_search_t *s, uint32_t kept, uint32_t gone, int64_t acoustic,
                       int64_t bias) {
  edge_arc_t *arc = &s->arcs[gone - 1];
  for (uint32_t j = arc->first; j != NONE; j = s->arcs[j].next) {
    s->arcs[j].from = NONE;
  }
  arc->to = (uint16_t)kept;
  arc->acoustic = clamped(arc->acoustic + acoustic);
  arc->bias = clamped(arc->bias + bias);
  arc->leaving = GONE;
}

/* Unite the states of one height that have the same future; those behind them are done. */
static void unite_states(edge_search_t *s, uint32_t height) {
  for (uint32_t gone = 2; gone <= s->arc_count; gone++) {
    if (s->arcs[gone - 1].height != height) {
      continue;
    }
    for (uint32_t kept = 1; kept < gone; kept++) {
      int64_t acoustic = 0, bias = 0;
      if (s->arcs[kept - 1].leaving != GONE && same_future(s, kept, gone, &acoustic, &bias)) {
        take_place(s, kept, gone, acoustic, bias);
        break;
      }
    }
  }
}

/* Number the states that are left so that arcs lead from lower to higher ones: `first` is a
 * state's number from here on. */
static void number_states(edge_search_t *s, uint32_t largest) {
  s->state_count = 1;
  for (uint32_t height = largest; height > 0; height--) {
    for (uint32_t i = 0; i < s->arc_count; i++) {
      if (s->arcs[i].height == height && s->arcs[i].leaving != GONE) {
        s->arcs[i].first = (uint16_t)s->state_count++;
      }
    }
  }
  s->state_count++;
}

edge_status_t edge_lattice_open(const edge_search_t *s) {
  (void)s;
  return EDGE_OK;
}

void edge_lattice_build(edge_search_t *s, const edge_tokens_t *tokens) {
  s->arc_count = s->state_count = 0;
  for (uint32_t i = 0; i < s->live_count && add_path(s, tokens, &s->live[i]); i++) {
  }
  if (s->arc_count == 0) {
    return;
  }
  link_arcs(s);
  const uint32_t largest = measure_heights(s);
  for (uint32_t height = 1; height <= largest; height++) {
    unite_states(s, height);
  }
  number_states(s, largest);
}

static void write_u16(const edge_sink_t *sink, uint32_t value) {
  const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
  sink->write(sink->context, bytes, sizeof bytes);
}

static void write_u32(const edge_sink_t *sink, uint32_t value) {
  write_u16(sink, value);
  write_u16(sink, value >> 16);
}

static void write_i64(const edge_sink_t *sink, int64_t value) {
  write_u32(sink, (uint32_t)value);
  write_u32(sink, (uint32_t)((uint64_t)value >> 32));
}

/* u16 id, text piece */
static void write_token(const edge_sink_t *sink, const edge_tokens_t *tokens, uint32_t token) {
  const uint8_t *piece = NULL;
  uint32_t bytes = 0;
  if (edge_tokens_piece(tokens, (int32_t)token, &piece, &bytes) != EDGE_OK || bytes > UINT8_MAX) {
    bytes = 0;
  }
  write_u16(sink, token);
  const uint8_t length = (uint8_t)bytes;
  sink->write(sink->context, &length, 1);
  sink->write(sink->context, piece, bytes);
}

static void write_hypothesis(const edge_search_t *s, const edge_tokens_t *tokens,
                             const edge_sink_t *sink, const edge_hypothesis_t *h) {
  write_i64(sink, h->acoustic);
  write_i64(sink, h->bias);
  write_u16(sink, h->length - s->committed);
  for (uint32_t node = h->node; node != NONE; node = s->nodes[node].parent) {
    write_u32(sink, s->nodes[node].frame);
    write_u32(sink, (uint32_t)s->nodes[node].logprob);
    write_u32(sink, (uint32_t)s->nodes[node].bias);
    write_token(sink, tokens, s->nodes[node].token);
  }
}

static uint32_t number_of(const edge_search_t *s, uint32_t state) {
  return state == 0 ? 0 : state == END ? s->state_count - 1 : s->arcs[state - 1].first;
}

static void write_arc(const edge_search_t *s, const edge_tokens_t *tokens, const edge_sink_t *sink,
                      const edge_arc_t *arc) {
  write_u16(sink, number_of(s, arc->from));
  write_u16(sink, number_of(s, arc->to));
  write_u32(sink, arc->start);
  write_u32(sink, arc->end);
  write_u32(sink, (uint32_t)arc->acoustic);
  write_u32(sink, (uint32_t)arc->bias);
  write_u16(sink, arc->tokens);
  uint32_t node = arc->node;
  for (uint32_t i = 0; i < arc->tokens; i++) {
    write_token(sink, tokens, s->nodes[node].token);
    node = s->nodes[node].parent;
  }
}

void edge_lattice_write(const edge_search_t *s, const edge_tokens_t *tokens,
                        const edge_sink_t *sink) {
  const uint32_t hypotheses = s->nbest < s->live_count ? s->nbest : s->live_count;
  uint32_t arcs = 0;
  for (uint32_t i = 0; i < s->arc_count; i++) {
    arcs += s->arcs[i].from != NONE;
  }
  write_u32(sink, s->frame_us);
  write_u32(sink, s->committed);
  write_i64(sink, s->committed_acoustic);
  write_i64(sink, s->committed_bias);
  write_u16(sink, hypotheses);
  write_u16(sink, s->state_count);
  write_u16(sink, arcs);
  for (uint32_t i = 0; i < hypotheses; i++) {
    write_hypothesis(s, tokens, sink, &s->live[i]);
  }
  for (uint32_t i = 0; i < s->arc_count; i++) {
    if (s->arcs[i].from != NONE) {
      write_arc(s, tokens, sink, &s->arcs[i]);
    }
  }
}
