/* Fuzzer of the recogniser and its sections: fuzz_recogniser IMAGE SEED ROUNDS, or libFuzzer with
 * -DLIBFUZZER. Sections and memories are malloc'ed to their exact sizes, so that the address
 * sanitizer sees one byte too many; damaged images are sealed again, so that their sections are
 * really read. Prints how many inputs of each kind were accepted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/lattice.h"
#include "edge/recogniser.h"
#include "edge/tokens.h"

#define MAX_SAMPLES 1500u
#define MAX_TAIL 2000u

static uint32_t state = 1;
static uint32_t accepted[5]; /* features, search, tokens, end points, image */

static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

/* Size a multiple of 16; never NULL. */
static void *room(uint32_t bytes) {
  void *memory = aligned_alloc(16, bytes > 0 ? bytes : 16);
  if (memory == NULL) {
    exit(2);
  }
  memset(memory, 0xa5, bytes);
  return memory;
}

/* A copy `shift` bytes behind a multiple of 16, in a block that ends with it. */
static uint8_t *exact_copy(const uint8_t *data, uint32_t size, uint32_t shift, uint8_t **block) {
  *block = malloc(size + shift > 0 ? size + shift : 1);
  if (*block == NULL || (uintptr_t)*block % 16 != 0) {
    exit(2);
  }
  memcpy(*block + shift, data, size);
  return *block + shift;
}

static void fill_samples(int16_t *samples, uint32_t count) {
  const uint32_t kind = draw(4);
  for (uint32_t i = 0; i < count; i++) {
    samples[i] = kind == 0   ? 0
                 : kind == 1 ? (int16_t)(draw(2) ? 32767 : -32768)
                             : (int16_t)((int32_t)draw(65536) - 32768);
  }
}

static void try_features(const uint8_t *data, uint32_t size) {
  uint8_t *block;
  const uint32_t shift = draw(8) == 0 ? draw(16) : 0;
  const uint8_t *section = exact_copy(data, size, shift, &block);
  edge_features_t f;
  if (edge_features_open(&f, section, size) == EDGE_OK) {
    if (shift % 4 != 0) {
      abort(); /* its float tables are read in place */
    }
    accepted[0]++;
    void *memory = room(edge_features_memory(&f));
    int8_t *frame = malloc(f.mel_bins);
    int16_t samples[MAX_SAMPLES];
    edge_features_bind(&f, memory);
    const uint32_t count = draw(MAX_SAMPLES + 1);
    fill_samples(samples, count);
    for (uint32_t done = 0, frames = 0; done < count && frames < 20;) {
      const uint32_t piece = 1 + draw(count - done);
      uint32_t taken = 0;
      if (edge_features_push(&f, samples + done, piece, &taken)) {
        edge_features_quantise(&f, frame);
        frames++;
      }
      done += taken;
    }
    for (uint32_t i = 0; i < 20 && edge_features_flush(&f); i++) {
      edge_features_quantise(&f, frame);
    }
    free(frame);
    free(memory);
  }
  free(block);
}

static void put_u32(uint8_t *to, uint32_t value) {
  for (uint32_t i = 0; i < 4; i++) {
    to[i] = (uint8_t)(value >> 8 * i);
  }
}

static edge_status_t reset_any(void *context) {
  (void)context;
  return EDGE_OK;
}

static edge_status_t fail_or(edge_status_t status) { return draw(50) == 0 ? EDGE_FAULT : status; }

static void draw_bytes(int8_t *out, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    out[i] = (int8_t)draw(256);
  }
}

static edge_status_t predict_any(void *context, const int32_t *history, int8_t *predictor_out) {
  const edge_search_t *s = context;
  for (uint32_t i = 0; i < s->context_size; i++) {
    if (history[i] < 0 || (uint32_t)history[i] >= s->vocab) {
      abort(); /* a predictor looks these up in its embedding */
    }
  }
  draw_bytes(predictor_out, s->joiner_dim);
  return fail_or(EDGE_OK);
}

static edge_status_t join_any(void *context, const int8_t *encoder_out, const int8_t *predictor_out,
                              int8_t *logits) {
  const edge_search_t *s = context;
  draw_bytes(logits, s->vocab);
  logits[0] = (int8_t)(encoder_out[s->joiner_dim - 1] ^ predictor_out[s->joiner_dim - 1]);
  return fail_or(EDGE_OK);
}

static void hear_token(void *context, int32_t token, int32_t logprob_q16, uint32_t time_ms) {
  (void)context;
  (void)time_ms;
  if (token < 0 || logprob_q16 > 0) {
    abort();
  }
}

static uint32_t kept_places; /* one bit each: a restore must name one that was saved */

static edge_status_t save_any(void *context, uint32_t place) {
  const edge_search_t *s = context;
  if (place >= s->cache) {
    abort();
  }
  kept_places |= 1u << (place % 32);
  return fail_or(EDGE_OK);
}

static edge_status_t restore_any(void *context, uint32_t place) {
  const edge_search_t *s = context;
  if (place >= s->cache || (kept_places >> (place % 32) & 1) == 0) {
    abort();
  }
  return fail_or(EDGE_OK);
}

static void count_bytes(void *context, const uint8_t *data, uint32_t size) {
  uint32_t *sum = context;
  for (uint32_t i = 0; i < size; i++) {
    *sum += data[i]; /* reads every byte */
  }
}

/* One token begins words. */
static void use_results(edge_search_t *s) {
  const uint32_t entries = 4 * (s->vocab + 1);
  const uint32_t beginning = draw(s->vocab);
  uint8_t *section = malloc(8 + entries + 3);
  put_u32(section, s->vocab);
  put_u32(section + 4, 3);
  for (uint32_t i = 0; i <= s->vocab; i++) {
    put_u32(section + 8 + 4 * i, i <= beginning ? 0 : 3);
  }
  memcpy(section + 8 + entries, "\xe2\x96\x81", 3);
  edge_tokens_t tokens;
  if (edge_tokens_open(&tokens, section, 8 + entries + 3) != EDGE_OK) {
    abort();
  }
  uint32_t sum = 0;
  const edge_sink_t sink = {&sum, count_bytes};
  edge_lattice_build(s, &tokens);
  edge_lattice_write(s, &tokens, &sink);
  if (s->arc_count > s->max_arcs) {
    abort();
  }
  free(section);
}

static void try_search(const uint8_t *data, uint32_t size) {
  uint8_t *block;
  const uint8_t *section = exact_copy(data, size, draw(16), &block);
  edge_search_t s;
  if (edge_search_open(&s, section, size) == EDGE_OK) {
    accepted[1]++;
    void *memory = room(edge_search_memory(&s));
    int8_t *encoder_out = malloc(s.joiner_dim);
    const bool stateful = draw(2) == 0;
    const edge_runner_t runner = {&s,
                                  reset_any,
                                  NULL,
                                  predict_any,
                                  join_any,
                                  stateful ? save_any : NULL,
                                  stateful ? restore_any : NULL,
                                  reset_any};
    const edge_listener_t listener = {NULL, hear_token, NULL, NULL};
    edge_search_bind(&s, memory);
    kept_places = 0;
    s.max_symbols = s.max_symbols < 4 ? s.max_symbols : 4; /* time */
    edge_status_t status = EDGE_OK;
    for (uint32_t i = draw(12); i > 0 && status == EDGE_OK; i--) {
      draw_bytes(encoder_out, s.joiner_dim);
      status = edge_search_frame(&s, &runner, &listener, encoder_out);
    }
    if (status == EDGE_OK) {
      edge_search_finish(&s, &listener);
      use_results(&s);
    }
    free(encoder_out);
    free(memory);
  }
  free(block);
}

static void try_endpoint(const uint8_t *data, uint32_t size) {
  uint8_t *block;
  const uint8_t *section = exact_copy(data, size, draw(16), &block);
  edge_endpoint_t e;
  if (edge_endpoint_open(&e, section, size, draw(1u << 31), draw(1u << 31)) == EDGE_OK) {
    accepted[3]++;
    edge_endpoint_reset(&e);
    edge_endpoint_facts_t facts = {0};
    for (uint32_t i = draw(60); i > 0; i--) {
      edge_endpoint_level(&e, (int32_t)draw(UINT32_MAX));
      facts.tokens += draw(8) == 0 ? draw(3) : 0;
      facts.path = draw(3);
      facts.open_word = draw(2) == 0;
      facts.margin_q8 = (int32_t)draw(UINT32_MAX);
      if (edge_endpoint_step(&e, &facts) == EDGE_ENDPOINT_FINAL) {
        edge_endpoint_settle(&e, &facts);
        facts.tokens = draw(2) == 0 ? 0 : facts.tokens;
        edge_endpoint_next(&e, facts.tokens);
      }
    }
  }
  free(block);
}

static void try_tokens(const uint8_t *data, uint32_t size) {
  uint8_t *block;
  const uint8_t *section = exact_copy(data, size, draw(16), &block);
  edge_tokens_t tokens;
  if (edge_tokens_open(&tokens, section, size) == EDGE_OK) {
    accepted[2]++;
    const uint32_t capacity = draw(40);
    char *text = malloc(capacity + 1);
    uint32_t length = 0;
    for (uint32_t i = 0; i < 60; i++) {
      const int32_t token = (int32_t)draw(tokens.count + 2) - 1;
      edge_tokens_append(&tokens, token, text, capacity, &length);
      if (length > 0 && (length >= capacity || text[length] != '\0')) {
        abort();
      }
    }
    free(text);
  }
  free(block);
}

static uint32_t get_u32(const uint8_t *from) {
  return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
         (uint32_t)from[3] << 24;
}

static uint32_t section_count(const uint8_t *image) { return image[6] | (uint32_t)image[7] << 8; }

/* Checksums that fit whatever the sections now hold. */
static void seal(uint8_t *image, uint32_t size) {
  const uint32_t count = section_count(image);
  for (uint32_t i = 0; i < count && 48 + 16 * i <= size; i++) {
    uint8_t *entry = image + 32 + 16 * i;
    const uint32_t at = get_u32(entry + 4), bytes = get_u32(entry + 8);
    if (at <= size && bytes <= size - at) {
      put_u32(entry + 12, edge_crc32(0, image + at, bytes));
    }
  }
  if (32 + 16 * count <= size) {
    put_u32(image + 28, edge_crc32(edge_crc32(0, image, 28), image + 32, 16 * count));
  }
}

static void hear_endpoint(void *context, const edge_endpoint_event_t *event) {
  const edge_recogniser_t *r = context;
  if (event->untold > event->tokens || event->version == 0) {
    abort();
  }
  for (uint32_t i = 0; i < event->untold; i++) {
    if (edge_search_untold_token(&r->search, i) >= r->search.vocab) {
      abort();
    }
  }
}

/* Rows of any numbers, as a table for this adapter would bring them. */
static void attend(edge_recogniser_t *r) {
  const edge_attention_t *a = &r->attention;
  if (a->rows == 0) {
    return;
  }
  const uint32_t rows = 2 + draw(a->rows < 40 ? a->rows - 1 : 40);
  const uint32_t bytes = rows * 2 * a->heads * a->width;
  int8_t *numbers = malloc(bytes);
  draw_bytes(numbers, bytes);
  const edge_bias_table_t table = {.nodes = rows, .rows = numbers};
  const edge_bias_table_t *const tables[] = {&table};
  r->attending = edge_attention_fill(a, tables, 1) > 0;
  free(numbers);
}

static void use_recogniser(edge_recogniser_t *r) {
  const edge_endpoint_mode_t mode = (edge_endpoint_mode_t)draw(5);
  const bool possible = mode <= EDGE_ENDPOINT_SEGMENT && (mode == 0 || r->has_endpoint);
  if ((edge_recogniser_endpoint(r, mode) == EDGE_OK) != possible ||
      edge_recogniser_reset(r) != EDGE_OK) {
    abort();
  }
  attend(r);
  int16_t samples[MAX_SAMPLES];
  const uint32_t count = draw(MAX_SAMPLES + 1);
  fill_samples(samples, count);
  for (uint32_t done = 0; done < count;) {
    const uint32_t piece = draw(count - done + 1);
    if (edge_recogniser_push(r, samples + done, piece) != EDGE_OK) {
      break;
    }
    done += piece;
  }
  uint32_t sum = 0;
  const edge_sink_t sink = {&sum, count_bytes};
  const bool finished =
      r->features.tail_padding <= MAX_TAIL && edge_recogniser_finish(r) == EDGE_OK;
  if ((edge_recogniser_results(r, &sink) == EDGE_OK) != (finished || r->stopped)) {
    abort();
  }
}

static void try_image(const uint8_t *data, uint32_t size) {
  uint8_t *block;
  uint8_t *sealed = exact_copy(data, size, 0, &block);
  edge_image_t image;
  uint32_t bytes;
  if (size >= 32) {
    seal(sealed, size);
  }
  if (edge_image_open(&image, sealed, size) == EDGE_OK &&
      edge_recogniser_workspace(&image, &bytes) == EDGE_OK && bytes < 1u << 24) {
    accepted[4]++;
    void *workspace = room(bytes);
    edge_recogniser_t r;
    const edge_listener_t listener = {&r, hear_token, NULL, hear_endpoint};
    if (edge_recogniser_open(&r, &image, NULL, &listener, NULL, workspace, bytes - 16) !=
        EDGE_NO_MEMORY) {
      abort();
    }
    if (edge_recogniser_open(&r, &image, NULL, &listener, NULL, workspace, bytes) == EDGE_OK &&
        r.features.frame_shift >= 40 && r.search.max_symbols < 8) {
      use_recogniser(&r);
      use_recogniser(&r);
    }
    free(workspace);
  }
  free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First byte: what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > 1u << 24) {
    return 0;
  }
  void (*const kinds[])(const uint8_t *, uint32_t) = {try_features, try_search, try_tokens,
                                                      try_endpoint, try_image};
  kinds[data[0] % 5](data + 1, (uint32_t)size - 1);
  return 0;
}

#ifndef LIBFUZZER

/* Mostly small changes to header fields, where decisions are made; sometimes anything. */
static void damage(uint8_t *data, uint32_t size) {
  static const uint32_t edges[] = {0,          1,          2,         4,          112,
                                   255,        4096,       65535,     0x7f800000, 0x7fffffff,
                                   0x80000000, 0xfffffffc, 0xffffffff};
  for (uint32_t i = draw(4); i > 0 && size >= 4; i--) {
    const uint32_t span = draw(3) != 0 && size > 112 ? 112 : size;
    uint8_t *at = data + 4 * draw(span / 4);
    const uint32_t kind = draw(4);
    if (kind == 0) {
      put_u32(at, edges[draw(sizeof edges / sizeof *edges)]);
    } else if (kind == 1) {
      put_u32(at, get_u32(at) + draw(9) - 4);
    } else {
      at[draw(4)] ^= (uint8_t)(1u << draw(8));
    }
  }
}

static void run_damaged(uint8_t kind, const uint8_t *data, uint32_t size, uint32_t from,
                        uint32_t span) {
  uint8_t *input = malloc(size + 1);
  input[0] = kind;
  memcpy(input + 1, data, size);
  damage(input + 1 + from, span);
  const uint32_t kept = draw(12) == 0 ? draw(size + 1) : size;
  LLVMFuzzerTestOneInput(input, kept + 1);
  free(input);
}

int main(int argc, char **argv) {
  static const char tags[] = "FEATSRCHTOKSENDP";
  static uint8_t image[1u << 22];
  FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: fuzz_recogniser IMAGE SEED ROUNDS\n");
    return 2;
  }
  const uint32_t size = (uint32_t)fread(image, 1, sizeof image, file);
  fclose(file);
  state = (uint32_t)strtoul(argv[2], NULL, 10) | 1u;
  const uint32_t rounds = (uint32_t)strtoul(argv[3], NULL, 10);
  for (uint32_t round = 0; round < rounds; round++) {
    const uint8_t *entry = image + 32 + 16 * draw(section_count(image));
    const uint32_t at = get_u32(entry + 4), bytes = get_u32(entry + 8);
    for (uint8_t kind = 0; kind < 4; kind++) {
      if (memcmp(entry, tags + 4 * kind, 4) == 0) {
        run_damaged(kind, image + at, bytes, 0, bytes);
      }
    }
    run_damaged(4, image, size, draw(8) == 0 ? 0 : at, bytes);
  }
  for (uint32_t i = 0; i < 5; i++) {
    printf("%u ", accepted[i]);
  }
  return 0;
}

#endif
