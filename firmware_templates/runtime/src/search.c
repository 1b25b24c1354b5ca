#include "edge/search.h"

#include <stddef.h>
#include <string.h>

#include "load.h"

#define HEADER_BYTES 48u
#define SECTION_BYTES (HEADER_BYTES + 4u * 256u)
#define KIND_GREEDY 1u
#define MAX_VOCAB 65536u
#define MAX_JOINER_DIM 65536u
#define MAX_FRAMES_OUT 4096u
#define MAX_SYMBOLS 1000u
#define ONE_Q24 (1u << 24)
#define LN2_Q32 2977044472u

static uint32_t align16(uint32_t bytes) { return (bytes + 15u) & ~15u; }

edge_status_t edge_search_open(edge_search_t *s, const uint8_t *section, uint32_t size) {
  *s = (edge_search_t){0};
  if (size < SECTION_BYTES) {
    return EDGE_TRUNCATED;
  }
  s->blank = edge_load_u32(section + 4);
  s->start = edge_load_u32(section + 8);
  s->context_size = edge_load_u32(section + 12);
  s->max_symbols = edge_load_u32(section + 16);
  s->vocab = edge_load_u32(section + 20);
  s->joiner_dim = edge_load_u32(section + 24);
  s->frames_out = edge_load_u32(section + 28);
  s->frame_us = edge_load_u32(section + 32);
  s->logit_scale_q24 = edge_load_u32(section + 36);
  s->exp_q24 = section + HEADER_BYTES;
  const bool sizes = s->vocab >= 2 && s->vocab <= MAX_VOCAB && s->joiner_dim >= 1 &&
                     s->joiner_dim <= MAX_JOINER_DIM && s->frames_out >= 1 &&
                     s->frames_out <= MAX_FRAMES_OUT && s->context_size >= 1 &&
                     s->context_size <= EDGE_SEARCH_MAX_CONTEXT && s->max_symbols >= 1 &&
                     s->max_symbols <= MAX_SYMBOLS;
  const bool tokens = s->blank < s->vocab && s->start < s->vocab;
  /* The largest logit has distance 0, so a sum of exponentials is never below one. */
  const bool table = edge_load_u32(s->exp_q24) == ONE_Q24;
  const bool known = size == SECTION_BYTES && edge_load_u32(section) == KIND_GREEDY &&
                     edge_all_zero(section + 40, HEADER_BYTES - 40);
  return known && sizes && tokens && table ? EDGE_OK : EDGE_BAD_LAYOUT;
}

uint32_t edge_search_memory(const edge_search_t *s) {
  return align16(s->joiner_dim) + align16(s->vocab) + align16(4 * s->context_size);
}

void edge_search_bind(edge_search_t *s, void *memory) {
  int8_t *at = memory;
  s->predictor_out = at;
  at += align16(s->joiner_dim);
  s->logits = at;
  at += align16(s->vocab);
  s->history = (int32_t *)(void *)at;
  edge_search_reset(s);
}

void edge_search_reset(edge_search_t *s) {
  for (uint32_t i = 0; i < s->context_size; i++) {
    s->history[i] = (int32_t)s->start;
  }
  s->frame = 0;
  s->predicted = 0;
}

uint32_t edge_search_argmax(const int8_t *logits, uint32_t count) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < count; i++) {
    if (logits[i] > logits[best]) {
      best = i;
    }
  }
  return best;
}

/* Natural logarithm of x / 2^24 in Q24, x from 2^24 to below 2^41. */
static uint64_t ln_q24(uint64_t x) {
  uint32_t whole = 0;
  while (x >> (25 + whole) != 0) {
    whole++;
  }
  uint32_t mantissa =
      (uint32_t)(whole <= 7 ? x << (7 - whole) : x >> (whole - 7)); /* Q31 in 1..2 */
  uint32_t log2_q24 = whole;
  for (int bit = 0; bit < 24; bit++) {
    /* Squaring doubles the logarithm; whether it reaches 1 is its next binary digit. */
    const uint64_t square = (uint64_t)mantissa * mantissa >> 31;
    const uint32_t digit = (uint32_t)(square >> 32);
    mantissa = (uint32_t)(square >> digit);
    log2_q24 = log2_q24 << 1 | digit;
  }
  return ((uint64_t)log2_q24 * LN2_Q32 + (1u << 31)) >> 32;
}

int32_t edge_search_logprob(const edge_search_t *s, const int8_t *logits, uint32_t token) {
  const int32_t best = logits[edge_search_argmax(logits, s->vocab)];
  uint64_t sum = 0;
  for (uint32_t i = 0; i < s->vocab; i++) {
    sum += edge_load_u32(s->exp_q24 + 4 * (best - logits[i]));
  }
  const uint64_t distance = (uint64_t)(best - logits[token]) * s->logit_scale_q24;
  const uint64_t rounded = (distance + ln_q24(sum) + 128) >> 8;
  return rounded > INT32_MAX ? -INT32_MAX : -(int32_t)rounded;
}

static void emit(edge_search_t *s, const edge_listener_t *listener, uint32_t token) {
  if (listener->token != NULL) {
    const uint64_t time_us = (uint64_t)s->frame * s->frame_us;
    listener->token(listener->context, (int32_t)token, edge_search_logprob(s, s->logits, token),
                    (uint32_t)(time_us / 1000));
  }
  memmove(s->history, s->history + 1, sizeof *s->history * (s->context_size - 1));
  s->history[s->context_size - 1] = (int32_t)token;
  s->predicted = 0;
}

edge_status_t edge_search_frame(edge_search_t *s, const edge_runner_t *runner,
                                const edge_listener_t *listener, const int8_t *encoder_out) {
  for (uint32_t symbol = 0; symbol < s->max_symbols; symbol++) {
    if (s->predicted == 0) {
      const edge_status_t status = runner->predict(runner->context, s->history, s->predictor_out);
      if (status != EDGE_OK) {
        return status;
      }
      s->predicted = 1;
    }
    const edge_status_t status =
        runner->join(runner->context, encoder_out, s->predictor_out, s->logits);
    if (status != EDGE_OK) {
      return status;
    }
    if (listener->logits != NULL) {
      listener->logits(listener->context, s->frame, symbol, s->logits, s->vocab);
    }
    const uint32_t token = edge_search_argmax(s->logits, s->vocab);
    if (token == s->blank) {
      break;
    }
    emit(s, listener, token);
  }
  s->frame++;
  return EDGE_OK;
}
