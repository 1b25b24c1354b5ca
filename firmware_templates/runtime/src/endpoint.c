#include "edge/endpoint.h"

#include <stddef.h>

#include "load.h"

#define KIND 1u
#define HEADER_BYTES 16u
#define RULE_BYTES 12u
#define SETTINGS_BYTES (EDGE_ENDPOINT_RULES * RULE_BYTES + 16u + 4u * EDGE_ENDPOINT_FEATURES)
#define SECTION_BYTES (HEADER_BYTES + 2u * SETTINGS_BYTES)
#define ENABLED 1u
#define MUST_SPEAK 2u
#define MAX_MS 3600000u
#define MAX_WEIGHT (1 << 24) /* keeps sums far from overflowing */
#define MAX_LEVEL_Q8 (64 << 8)
#define ONE_Q8 256
#define RANGE_Q8 (8 * ONE_Q8)   /* a floor further below the peak says nothing about speech */
#define LONGEST_Q8 (4 * ONE_Q8) /* seconds in a feature */
#define MOST_TOKENS 16u

static bool weight_valid(int32_t weight) { return weight >= -MAX_WEIGHT && weight <= MAX_WEIGHT; }

static bool read_rule(edge_endpoint_rule_t *rule, const uint8_t *from) {
  const uint32_t flags = edge_load_u32(from);
  rule->enabled = (flags & ENABLED) != 0;
  rule->must_speak = (flags & MUST_SPEAK) != 0;
  rule->trailing_ms = edge_load_u32(from + 4);
  rule->length_ms = edge_load_u32(from + 8);
  /* A rule that needs neither would end every utterance at its first frame. */
  const bool bounded = rule->trailing_ms > 0 || rule->length_ms > 0;
  return (flags & ~(ENABLED | MUST_SPEAK)) == 0 && rule->trailing_ms <= MAX_MS &&
         rule->length_ms <= MAX_MS && (bounded || !rule->enabled);
}

static bool read_settings(edge_endpoint_settings_t *s, const uint8_t *from) {
  bool valid = true;
  for (uint32_t i = 0; i < EDGE_ENDPOINT_RULES; i++, from += RULE_BYTES) {
    valid = read_rule(&s->rule[i], from) && valid;
  }
  const uint32_t flags = edge_load_u32(from);
  s->scored = (flags & ENABLED) != 0;
  s->min_pause_ms = edge_load_u32(from + 4);
  s->threshold_q16 = edge_load_i32(from + 8);
  s->bias_q16 = edge_load_i32(from + 12);
  for (uint32_t i = 0; i < EDGE_ENDPOINT_FEATURES; i++) {
    s->weights_q16[i] = edge_load_i32(from + 16 + 4 * i);
    valid = weight_valid(s->weights_q16[i]) && valid;
  }
  return valid && (flags & ~ENABLED) == 0 && s->min_pause_ms <= MAX_MS;
}

edge_status_t edge_endpoint_open(edge_endpoint_t *e, const uint8_t *section, uint32_t size,
                                 uint32_t frame_us, uint32_t level_us) {
  *e = (edge_endpoint_t){.frame_us = frame_us, .level_us = level_us};
  if (section == NULL) {
    return EDGE_OK;
  }
  if (size < SECTION_BYTES) {
    return EDGE_TRUNCATED;
  }
  e->resume_q16 = edge_load_i32(section + 4);
  const bool early = read_settings(&e->speculative, section + HEADER_BYTES);
  const bool late = read_settings(&e->final, section + HEADER_BYTES + SETTINGS_BYTES);
  const bool known = size == SECTION_BYTES && edge_load_u32(section) == KIND &&
                     edge_all_zero(section + 8, HEADER_BYTES - 8);
  return known && early && late ? EDGE_OK : EDGE_BAD_LAYOUT;
}

void edge_endpoint_reset(edge_endpoint_t *e) {
  e->level_q8 = e->floor_q8 = e->peak_q8 = 0;
  e->heard = false;
  e->quiet_us = 0;
  e->last = (edge_endpoint_facts_t){0};
  e->margin_q8 = 0;
  e->index = 0;
  edge_endpoint_next(e, 0);
  e->index = 0;
}

void edge_endpoint_next(edge_endpoint_t *e, uint32_t tokens) {
  e->first_token = tokens;
  e->last.tokens = tokens;
  e->length_us = e->trailing_us = e->same_us = 0;
  e->speculating = e->revised = e->confirmed = false;
  e->version = 0;
  e->index++;
}

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

static int32_t within(int32_t value, int32_t low, int32_t high) {
  return smaller(larger(value, low), high);
}

/* The floor of the noise, not further below the peak than speech reaches. */
static int32_t noise_q8(const edge_endpoint_t *e) {
  return larger(e->floor_q8, e->peak_q8 - RANGE_Q8);
}

/* The floor falls at once and rises slowly, the peak the other way round. */
void edge_endpoint_level(edge_endpoint_t *e, int32_t level_q8) {
  const int32_t level = within(level_q8, -MAX_LEVEL_Q8, MAX_LEVEL_Q8);
  if (!e->heard) {
    e->heard = true;
    e->level_q8 = e->floor_q8 = e->peak_q8 = level;
  }
  e->level_q8 += (level - e->level_q8) / 2;
  const int32_t now = e->level_q8;
  e->floor_q8 += now < e->floor_q8 ? (now - e->floor_q8) / 4 : smaller(2, now - e->floor_q8);
  e->peak_q8 += now > e->peak_q8 ? (now - e->peak_q8) / 2 : larger(-1, now - e->peak_q8);
  const int32_t noise = noise_q8(e);
  const int32_t speech = noise + larger(ONE_Q8, (e->peak_q8 - noise) * 3 / 8);
  e->quiet_us = now >= speech ? 0 : e->quiet_us + e->level_us;
}

static int32_t seconds_q8(uint64_t us) {
  const uint64_t q8 = us * 256u / 1000000u;
  return q8 > LONGEST_Q8 ? LONGEST_Q8 : (int32_t)q8;
}

const int32_t edge_endpoint_range_q8[EDGE_ENDPOINT_FEATURES] = {
    LONGEST_Q8, LONGEST_Q8, RANGE_Q8, ONE_Q8, ONE_Q8, LONGEST_Q8, RANGE_Q8, RANGE_Q8};

void edge_endpoint_features(const edge_endpoint_t *e, int32_t features_q8[EDGE_ENDPOINT_FEATURES]) {
  const uint32_t tokens = e->last.tokens - e->first_token;
  const int32_t noise = noise_q8(e);
  features_q8[0] = seconds_q8(e->trailing_us);
  features_q8[1] = seconds_q8(e->same_us);
  features_q8[2] = e->margin_q8;
  features_q8[3] = (int32_t)(tokens < MOST_TOKENS ? tokens : MOST_TOKENS) * ONE_Q8 / 16;
  features_q8[4] = e->last.open_word ? ONE_Q8 : 0;
  features_q8[5] = seconds_q8(e->quiet_us);
  features_q8[6] = within(e->level_q8 - noise, 0, RANGE_Q8);
  features_q8[7] = within(e->peak_q8 - e->level_q8, 0, RANGE_Q8);
}

int64_t edge_endpoint_score(const edge_endpoint_settings_t *settings,
                            const int32_t features_q8[EDGE_ENDPOINT_FEATURES]) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < EDGE_ENDPOINT_FEATURES; i++) {
    sum += (int64_t)settings->weights_q16[i] * features_q8[i];
  }
  return settings->bias_q16 + sum / ONE_Q8;
}

static bool fires(const edge_endpoint_t *e, const edge_endpoint_settings_t *s, int64_t score) {
  const bool spoke = e->last.tokens > e->first_token;
  for (uint32_t i = 0; i < EDGE_ENDPOINT_RULES; i++) {
    const edge_endpoint_rule_t *rule = &s->rule[i];
    if (rule->enabled && (spoke || !rule->must_speak) &&
        e->trailing_us >= (uint64_t)rule->trailing_ms * 1000u &&
        e->length_us >= (uint64_t)rule->length_ms * 1000u) {
      return true;
    }
  }
  return s->scored && spoke && e->trailing_us >= (uint64_t)s->min_pause_ms * 1000u &&
         score >= s->threshold_q16;
}

static bool same_path(const edge_endpoint_t *e, const edge_endpoint_facts_t *facts) {
  return facts->tokens == e->last.tokens && facts->path == e->last.path;
}

/* Times since the last token and since the last change of the best hypothesis. */
void edge_endpoint_take(edge_endpoint_t *e, const edge_endpoint_facts_t *facts) {
  const bool longer = facts->tokens > e->last.tokens;
  const bool changed = !same_path(e, facts);
  e->length_us += e->frame_us;
  e->trailing_us = longer ? 0 : e->trailing_us + e->frame_us;
  e->same_us = changed ? 0 : e->same_us + e->frame_us;
  e->revised = e->revised || changed;
  const int32_t margin = within(facts->margin_q8, -RANGE_Q8, RANGE_Q8);
  e->margin_q8 += (margin - e->margin_q8) / 2;
  e->last = *facts;
  if (e->last.tokens < e->first_token) {
    e->first_token = e->last.tokens;
  }
}

void edge_endpoint_settle(edge_endpoint_t *e, const edge_endpoint_facts_t *facts) {
  e->version += e->confirmed && !same_path(e, facts);
  e->last = *facts;
}

edge_endpoint_kind_t edge_endpoint_step(edge_endpoint_t *e, const edge_endpoint_facts_t *facts) {
  edge_endpoint_take(e, facts);
  return edge_endpoint_decide(e, NULL);
}

edge_endpoint_kind_t edge_endpoint_decide(edge_endpoint_t *e, const int32_t *score_q16) {
  int32_t features[EDGE_ENDPOINT_FEATURES];
  edge_endpoint_features(e, features);
  const bool own = score_q16 == NULL;
  const int64_t early = own ? edge_endpoint_score(&e->speculative, features) : *score_q16;
  const int64_t late = own ? edge_endpoint_score(&e->final, features) : *score_q16;
  if (fires(e, &e->final, late)) {
    e->confirmed = e->speculating && !e->revised;
    e->version += !e->confirmed;
    e->speculating = false;
    return EDGE_ENDPOINT_FINAL;
  }
  if (e->speculating) {
    if (!e->revised && (!e->speculative.scored || early >= e->resume_q16)) {
      return EDGE_ENDPOINT_NONE;
    }
    e->speculating = false;
    return EDGE_ENDPOINT_RESUMED;
  }
  if (fires(e, &e->speculative, early)) {
    e->speculating = true;
    e->revised = false;
    e->version++;
    return EDGE_ENDPOINT_SPECULATIVE;
  }
  return EDGE_ENDPOINT_NONE;
}
