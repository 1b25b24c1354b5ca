#include "edge/search.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "hypotheses.h"
#include "load.h"

#define HEADER_BYTES 64u
#define SECTION_BYTES (HEADER_BYTES + 4u * 256u)
#define KIND_BEAM 2u
#define MAX_VOCAB 65536u
#define MAX_JOINER_DIM 65536u
#define MAX_FRAMES_OUT 4096u
#define MAX_SYMBOLS 1000u
#define MAX_TOKENS 4096u
#define MAX_CACHE 64u
#define MAX_ARCS 1024u
#define ONE_Q24 (1u << 24)
#define NONE EDGE_SEARCH_NONE

/* The converter adds up the same sizes. */
static_assert(sizeof(edge_hypothesis_t) == 64, "docs/image.md, hypotheses");
static_assert(sizeof(edge_candidate_t) == 40, "docs/image.md, candidates");
static_assert(sizeof(edge_node_t) == 24, "docs/image.md, tokens");
static_assert(sizeof(edge_output_t) == 20, "docs/image.md, predictor_out");
static_assert(sizeof(edge_arc_t) == 32, "docs/image.md, lattice");

static uint32_t align16(uint32_t bytes) { return (bytes + 15u) & ~15u; }

static bool sizes_valid(const edge_search_t *s) {
  return s->vocab >= 2 && s->vocab <= MAX_VOCAB && s->joiner_dim >= 1 &&
         s->joiner_dim <= MAX_JOINER_DIM && s->frames_out >= 1 && s->frames_out <= MAX_FRAMES_OUT &&
         s->context_size >= 1 && s->context_size <= EDGE_SEARCH_MAX_CONTEXT &&
         s->max_symbols >= 1 && s->max_symbols <= MAX_SYMBOLS;
}

static bool beam_valid(const edge_search_t *s) {
  return s->beam >= 1 && s->beam <= EDGE_SEARCH_MAX_BEAM && s->prune_q16 <= INT32_MAX &&
         s->max_tokens >= s->beam && s->max_tokens <= MAX_TOKENS && s->cache > s->beam &&
         s->cache <= MAX_CACHE && s->nbest <= s->beam && s->max_arcs <= MAX_ARCS;
}

edge_status_t edge_search_open(edge_search_t *s, const uint8_t *section, uint32_t size) {
  *s = (edge_search_t){0};
  if (size < SECTION_BYTES) {
    return EDGE_TRUNCATED;
  }
  uint32_t *const fields[] = {
      &s->blank,      &s->start,      &s->context_size, &s->max_symbols,     &s->vocab,
      &s->joiner_dim, &s->frames_out, &s->frame_us,     &s->logit_scale_q24, &s->beam,
      &s->prune_q16,  &s->max_tokens, &s->cache,        &s->nbest,           &s->max_arcs,
  };
  for (uint32_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    *fields[i] = edge_load_u32(section + 4 + 4 * i);
  }
  s->exp_q24 = section + HEADER_BYTES;
  const bool tokens = s->blank < s->vocab && s->start < s->vocab;
  /* The largest logit has distance 0, so a sum of exponentials is never below one. */
  const bool table = edge_load_u32(s->exp_q24) == ONE_Q24;
  const bool known = size == SECTION_BYTES && edge_load_u32(section) == KIND_BEAM;
  return known && sizes_valid(s) && beam_valid(s) && tokens && table ? EDGE_OK : EDGE_BAD_LAYOUT;
}

/* Lays out the memory in the order of docs/image.md; the bytes that it takes. */
static uint32_t lay_out(edge_search_t *s, uint8_t *at) {
  const uint32_t bytes[] = {
      s->beam * (uint32_t)sizeof *s->live,
      s->beam * (uint32_t)sizeof *s->next,
      s->beam * (uint32_t)sizeof *s->candidates,
      s->max_tokens * (uint32_t)sizeof *s->nodes,
      s->cache * (uint32_t)sizeof *s->outputs,
      s->cache * s->joiner_dim,
      s->vocab,
      4 * s->vocab,
      s->max_arcs * (uint32_t)sizeof *s->arcs,
  };
  uint32_t offsets[sizeof bytes / sizeof *bytes];
  uint32_t end = 0;
  for (uint32_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
    offsets[i] = end;
    end += align16(bytes[i]);
  }
  if (at != NULL) {
    s->live = (void *)(at + offsets[0]);
    s->next = (void *)(at + offsets[1]);
    s->candidates = (void *)(at + offsets[2]);
    s->nodes = (void *)(at + offsets[3]);
    s->outputs = (void *)(at + offsets[4]);
    s->predictor_out = (void *)(at + offsets[5]);
    s->logits = (void *)(at + offsets[6]);
    s->deltas = (void *)(at + offsets[7]);
    s->arcs = (void *)(at + offsets[8]);
  }
  return end;
}

uint32_t edge_search_memory(const edge_search_t *s) {
  edge_search_t sized = *s;
  return lay_out(&sized, NULL);
}

void edge_search_bind(edge_search_t *s, void *memory) {
  lay_out(s, memory);
  edge_search_reset(s);
}

void edge_search_reset(edge_search_t *s) {
  edge_hypotheses_reset(s);
  for (uint32_t i = 0; i < s->cache; i++) {
    s->outputs[i].used = 0;
  }
  s->frame = s->clock = s->hits = 0;
  s->state_of = NONE;
  s->arc_count = s->state_count = 0;
  s->ended = false;
}

/* A kept output of the predictor for the history of `h`, or NONE. */
static uint32_t find_output(const edge_search_t *s, const edge_runner_t *runner,
                            const edge_hypothesis_t *h) {
  if (runner->save == NULL) {
    for (uint32_t i = 0; i < s->cache; i++) {
      const edge_output_t *output = &s->outputs[i];
      if (output->used != 0 &&
          memcmp(output->context, h->context, sizeof *h->context * s->context_size) == 0) {
        return i;
      }
    }
    return NONE;
  }
  /* With a state, an output depends on the whole history: only live ones are known. */
  for (uint32_t i = 0; i < s->live_count; i++) {
    if (s->live[i].pending == 0 && edge_hypotheses_same(s, h, &s->live[i])) {
      return s->live[i].output;
    }
  }
  return NONE;
}

/* The output that no live hypothesis refers to and that was not used for longest. There is one:
 * each refers to one, and there are more than the beam. */
static uint32_t oldest_output(const edge_search_t *s) {
  uint64_t referred = 0;
  for (uint32_t i = 0; i < s->live_count; i++) {
    referred |= s->live[i].output == NONE ? 0 : (uint64_t)1 << s->live[i].output;
  }
  uint32_t oldest = NONE;
  for (uint32_t i = 0; i < s->cache; i++) {
    if ((referred >> i & 1) == 0 &&
        (oldest == NONE || s->outputs[i].used < s->outputs[oldest].used)) {
      oldest = i;
    }
  }
  return oldest;
}

/* Run the predictor for `h`, from the state that its last token but one left, into `place`. */
static edge_status_t predict(edge_search_t *s, const edge_runner_t *runner,
                             const edge_hypothesis_t *h, uint32_t place) {
  const bool keeps = runner->save != NULL && s->beam > 1;
  edge_status_t status = EDGE_OK;
  if (keeps && s->state_of != h->output) {
    status = runner->restore(runner->context, h->output);
  }
  int32_t history[EDGE_SEARCH_MAX_CONTEXT];
  for (uint32_t i = 0; i < s->context_size; i++) {
    history[i] = h->context[i];
  }
  s->outputs[place].used = 0;
  if (status == EDGE_OK) {
    status = runner->predict(runner->context, history, s->predictor_out + place * s->joiner_dim);
  }
  if (status == EDGE_OK && keeps) {
    status = runner->save(runner->context, place);
  }
  s->state_of = place;
  memcpy(s->outputs[place].context, h->context, sizeof h->context);
  return status;
}

static edge_status_t predict_all(edge_search_t *s, const edge_runner_t *runner) {
  for (uint32_t i = 0; i < s->live_count; i++) {
    edge_hypothesis_t *h = &s->live[i];
    if (h->pending == 0) {
      continue;
    }
    uint32_t place = find_output(s, runner, h);
    if (place == NONE) {
      place = oldest_output(s);
      const edge_status_t status = predict(s, runner, h, place);
      if (status != EDGE_OK) {
        return status;
      }
    } else {
      s->hits++;
    }
    s->outputs[place].used = ++s->clock;
    h->output = (uint16_t)place;
    h->pending = 0;
  }
  return EDGE_OK;
}

/* Set what each token adds to a hypothesis' score. Returns what a token in no phrase adds. */
static int32_t weigh(edge_search_t *s, const edge_hypothesis_t *h) {
  const uint64_t start = edge_search_bias_begin(s);
  edge_bias_deltas(s->bias, &h->bias_state, s->deltas, s->vocab);
  const int32_t plain = edge_bias_finish(s->bias, &h->bias_state);
  edge_search_bias_end(s, start);
  return plain;
}

/* All extensions of a hypothesis by one more logit: of tokens, as candidates, and of the blank. One
 * hypothesis alone cannot weigh a boost that it may have to give back: whether it goes on by a
 * token is decided without biasing, and with biasing only by which. */
static void extend(edge_search_t *s, uint32_t index, int32_t best, uint64_t ln_sum) {
  edge_hypothesis_t *h = &s->live[index];
  const bool biased = edge_search_biased(s);
  const bool alone = biased && s->beam == 1;
  const bool emits = alone && edge_search_argmax(s->logits, s->vocab) != s->blank;
  edge_candidate_t c = {.from = (uint16_t)index};
  const int32_t plain = biased ? weigh(s, h) : 0;
  int32_t least = INT8_MIN; /* where a logit was too low, so are those below without a boost */
  for (c.token = alone && !emits ? s->vocab : 0; c.token < s->vocab; c.token++) {
    const bool low = s->logits[c.token] < least && (!biased || s->deltas[c.token] <= plain);
    if (low || c.token == s->blank) {
      continue;
    }
    c.distance = (uint8_t)(best - s->logits[c.token]);
    c.logprob = edge_search_score(s, c.distance, ln_sum);
    c.delta = biased ? s->deltas[c.token] : 0;
    c.acoustic = h->acoustic + c.logprob;
    c.tail = h->tail + c.logprob;
    c.bias = h->bias + c.delta;
    if (!edge_hypotheses_offer(s, &c) && c.delta >= plain) {
      least = s->logits[c.token] + 1;
    }
  }
  if (emits) {
    return;
  }
  h->distance = (uint8_t)(best - s->logits[s->blank]);
  const int32_t logprob = edge_search_score(s, h->distance, ln_sum);
  h->acoustic += logprob;
  h->tail += logprob;
  h->finished = 1;
}

/* One more logit for every hypothesis that has not finished the frame. */
static edge_status_t join_all(edge_search_t *s, const edge_runner_t *runner,
                              const edge_listener_t *listener, const int8_t *encoder_out,
                              uint32_t symbol) {
  for (uint32_t i = 0; i < s->live_count; i++) {
    if (s->live[i].finished != 0) {
      continue;
    }
    const uint32_t output = s->live[i].output;
    const edge_status_t status = runner->join(runner->context, encoder_out,
                                              s->predictor_out + output * s->joiner_dim, s->logits);
    if (status != EDGE_OK) {
      return status;
    }
    if (listener->logits != NULL) {
      listener->logits(listener->context, s->frame, symbol, s->logits, s->vocab);
    }
    const int32_t best = s->logits[edge_search_argmax(s->logits, s->vocab)];
    const uint64_t ln_sum = edge_search_ln_sum(s, s->logits, best);
    for (uint32_t j = i; j < s->live_count; j++) {
      if (s->live[j].finished == 0 && s->live[j].output == output) {
        extend(s, j, best, ln_sum);
      }
    }
  }
  return EDGE_OK;
}

static uint32_t unfinished(const edge_search_t *s) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < s->live_count; i++) {
    count += s->live[i].finished == 0;
  }
  return count;
}

edge_status_t edge_search_frame(edge_search_t *s, const edge_runner_t *runner,
                                const edge_listener_t *listener, const int8_t *encoder_out) {
  for (uint32_t i = 0; i < s->live_count; i++) {
    s->live[i].finished = 0;
  }
  for (uint32_t symbol = 0; symbol < s->max_symbols && unfinished(s) > 0; symbol++) {
    edge_status_t status = predict_all(s, runner);
    if (status == EDGE_OK) {
      status = join_all(s, runner, listener, encoder_out, symbol);
    }
    if (status != EDGE_OK) {
      return status;
    }
    edge_hypotheses_select(s, listener);
  }
  if (unfinished(s) > 0) { /* no symbols left: the frame ends without a blank */
    for (uint32_t i = 0; i < s->live_count; i++) {
      s->live[i].finished = 1;
    }
    edge_hypotheses_select(s, listener);
  }
  s->frame++;
  return EDGE_OK;
}

uint32_t edge_search_untold(const edge_search_t *s) { return s->live[0].length - s->told; }

uint32_t edge_search_untold_token(const edge_search_t *s, uint32_t index) {
  uint32_t node = s->live[0].node;
  for (uint32_t i = edge_search_untold(s); i > index + 1; i--) {
    node = s->nodes[node].parent;
  }
  return s->nodes[node].token;
}

uint32_t edge_search_path(const edge_search_t *s) {
  uint32_t node = s->live[0].node, path = s->told_path;
  for (uint32_t position = s->live[0].length; position > s->told; position--) {
    path += edge_hypotheses_mark(position, s->nodes[node].token);
    node = s->nodes[node].parent;
  }
  return path;
}

static void refund(edge_search_t *s, edge_hypothesis_t *h) {
  if (edge_search_biased(s)) {
    const uint64_t start = edge_search_bias_begin(s);
    h->bias += edge_bias_finish(s->bias, &h->bias_state);
    edge_search_bias_end(s, start);
  }
}

void edge_search_finish(edge_search_t *s, const edge_listener_t *listener) {
  for (uint32_t i = 0; i < s->live_count; i++) {
    refund(s, &s->live[i]);
    const edge_hypothesis_t moved = s->live[i];
    uint32_t at = i;
    for (; at > 0 && moved.acoustic + moved.bias > s->live[at - 1].acoustic + s->live[at - 1].bias;
         at--) {
      s->live[at] = s->live[at - 1];
    }
    s->live[at] = moved;
  }
  edge_hypotheses_tell(s, listener, &s->live[0], s->live[0].length);
  s->ended = true;
}
