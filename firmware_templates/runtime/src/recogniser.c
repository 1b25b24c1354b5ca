#include "edge/recogniser.h"

#include <stddef.h>
#include <string.h>

#include "endpointing.h"

static uint32_t align16(uint32_t bytes) { return (bytes + 15u) & ~15u; }

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static uint64_t now(const edge_recogniser_t *r) { return r->clock != NULL ? r->clock() : 0; }

/* One frame's duration follows from the features' shift; at most one microsecond off. */
static bool frame_time_valid(const edge_features_t *f, const edge_search_t *s) {
  const uint64_t samples = (uint64_t)f->window_shift * f->frame_shift;
  const uint64_t per_second = (uint64_t)s->frames_out * f->sample_rate;
  const uint64_t expected_us = samples * 1000000u / per_second;
  return s->frame_us >= expected_us && s->frame_us <= expected_us + 1;
}

/* The BIAS section may lack. */
static edge_status_t open_bias(edge_recogniser_t *r, const edge_image_t *image) {
  edge_span_t tokens, tables;
  edge_status_t status = edge_image_find(image, EDGE_TAG_TOKENS, &tokens);
  if (status == EDGE_OK) {
    (void)edge_image_find(image, EDGE_TAG_BIAS, &tables);
    status = edge_bias_store_open(&r->bias, tables.data, tables.size, r->search.vocab,
                                  edge_crc32(0, tokens.data, tokens.size), &r->attention);
  }
  return status;
}

static edge_status_t open_graph(edge_graph_t *graph, const edge_image_t *image, uint32_t tag) {
  edge_span_t section;
  const edge_status_t status = edge_image_find(image, tag, &section);
  return status == EDGE_OK ? edge_graph_open(graph, section.data, section.size) : status;
}

/* The adapter may lack. A caller's runner has its own, but its measures are the image's. */
static edge_status_t open_adapter(edge_recogniser_t *r, const edge_image_t *image) {
  const edge_status_t status = open_graph(&r->adapter, image, EDGE_TAG_ADAPTER);
  if (status != EDGE_OK) {
    return status == EDGE_NO_SECTION ? EDGE_OK : status;
  }
  return edge_attention_open(&r->attention, &r->adapter,
                             r->search.frames_out * r->search.joiner_dim);
}

static edge_status_t open_tables(edge_recogniser_t *r, const edge_image_t *image) {
  edge_span_t features, search, tokens;
  edge_status_t status = edge_image_find(image, EDGE_TAG_FEATURES, &features);
  if (status == EDGE_OK) {
    status = edge_image_find(image, EDGE_TAG_SEARCH, &search);
  }
  if (status == EDGE_OK) {
    status = edge_image_find(image, EDGE_TAG_TOKENS, &tokens);
  }
  if (status == EDGE_OK) {
    status = edge_features_open(&r->features, features.data, features.size);
  }
  if (status == EDGE_OK) {
    status = edge_search_open(&r->search, search.data, search.size);
  }
  if (status == EDGE_OK) {
    status = edge_lattice_open(&r->search);
  }
  if (status == EDGE_OK) {
    status = edge_tokens_open(&r->tokens, tokens.data, tokens.size);
  }
  if (status == EDGE_OK &&
      (r->tokens.count != r->search.vocab || !frame_time_valid(&r->features, &r->search))) {
    status = EDGE_BAD_LAYOUT;
  }
  if (status == EDGE_OK) {
    status = edge_endpointing_open(r, image);
  }
  if (status == EDGE_OK) {
    status = open_adapter(r, image);
  }
  return status == EDGE_OK ? open_bias(r, image) : status;
}

static bool is_s8(const edge_tensor_t *tensor, uint32_t bytes) {
  return tensor->dtype == EDGE_S8 && tensor->bytes == bytes;
}

/* Two graphs share a buffer without requantisation, so both must mean the same by its values. */
static bool same_values(const edge_tensor_t *a, const edge_tensor_t *b) {
  return memcmp(&a->scale, &b->scale, sizeof a->scale) == 0 && a->zero_point == b->zero_point;
}

static bool encoder_fits(const edge_recogniser_t *r, edge_tensor_t *out) {
  const edge_features_t *f = &r->features;
  edge_tensor_t in;
  if (r->encoder.input_count != 1 || r->encoder.output_count != 1 ||
      edge_graph_input(&r->encoder, 0, &in) != EDGE_OK ||
      edge_graph_output(&r->encoder, 0, out) != EDGE_OK) {
    return false;
  }
  const float one = in.scale * f->input_inv_scale; /* FEAT holds the rounded reciprocal */
  return is_s8(&in, f->window_frames * f->mel_bins) && one > 0.99999f && one < 1.00001f &&
         in.zero_point == f->input_zero_point &&
         is_s8(out, r->search.frames_out * r->search.joiner_dim);
}

static bool predictor_fits(const edge_recogniser_t *r, edge_tensor_t *out) {
  edge_tensor_t in;
  return r->predictor.input_count == 1 && r->predictor.output_count == 1 &&
         edge_graph_input(&r->predictor, 0, &in) == EDGE_OK &&
         edge_graph_output(&r->predictor, 0, out) == EDGE_OK && in.dtype == EDGE_S32 &&
         in.bytes == 4 * r->search.context_size && is_s8(out, r->search.joiner_dim);
}

static bool joiner_fits(const edge_recogniser_t *r, const edge_tensor_t *encoder_out,
                        const edge_tensor_t *predictor_out) {
  edge_tensor_t from_encoder, from_predictor, logits;
  return r->joiner.input_count == 2 && r->joiner.output_count == 1 &&
         edge_graph_input(&r->joiner, 0, &from_encoder) == EDGE_OK &&
         edge_graph_input(&r->joiner, 1, &from_predictor) == EDGE_OK &&
         edge_graph_output(&r->joiner, 0, &logits) == EDGE_OK &&
         is_s8(&from_encoder, r->search.joiner_dim) &&
         is_s8(&from_predictor, r->search.joiner_dim) && is_s8(&logits, r->search.vocab) &&
         same_values(&from_encoder, encoder_out) && same_values(&from_predictor, predictor_out);
}

static bool adapter_fits(const edge_recogniser_t *r, const edge_tensor_t *encoder_out) {
  edge_tensor_t in;
  return r->adapter.section == NULL ||
         (edge_graph_input(&r->adapter, 0, &in) == EDGE_OK && same_values(&in, encoder_out));
}

static edge_status_t open_graphs(edge_recogniser_t *r, const edge_image_t *image) {
  edge_status_t status = open_graph(&r->encoder, image, EDGE_TAG_ENCODER);
  if (status == EDGE_OK) {
    status = open_graph(&r->predictor, image, EDGE_TAG_PREDICTOR);
  }
  if (status == EDGE_OK) {
    status = open_graph(&r->joiner, image, EDGE_TAG_JOINER);
  }
  if (status != EDGE_OK) {
    return status;
  }
  edge_tensor_t encoder_out, predictor_out;
  if (r->search.beam > 1 && r->joiner.state_bytes > 0) {
    return EDGE_BAD_LAYOUT; /* whose state would it be? */
  }
  if (!encoder_fits(r, &encoder_out) || !predictor_fits(r, &predictor_out) ||
      !joiner_fits(r, &encoder_out, &predictor_out) || !adapter_fits(r, &encoder_out)) {
    return EDGE_BAD_LAYOUT;
  }
  return EDGE_OK;
}

static uint32_t window_bytes(const edge_recogniser_t *r) {
  return align16(r->features.window_frames * r->features.mel_bins);
}

static uint32_t encoder_out_bytes(const edge_recogniser_t *r) {
  return align16(r->search.frames_out * r->search.joiner_dim);
}

/* Kept states of the predictor; one hypothesis goes on from the graph's own. */
static uint64_t predictor_states_bytes(const edge_recogniser_t *r) {
  return r->search.beam == 1 ? 0 : (uint64_t)r->search.cache * align16(r->predictor.state_bytes);
}

/* All graphs share it: none keeps anything there between two runs. */
static uint32_t arena_bytes(const edge_recogniser_t *r) {
  const uint32_t step = larger(r->predictor.arena_bytes, r->joiner.arena_bytes);
  const uint32_t other = larger(r->adapter.arena_bytes, r->endpoint_graph.arena_bytes);
  return align16(larger(larger(r->encoder.arena_bytes, other), step));
}

/* Bytes that the opened parts need; graphs that were not opened count nothing. docs/image.md has
 * the same sum. */
static uint64_t needed_bytes(const edge_recogniser_t *r) {
  return (uint64_t)arena_bytes(r) + align16(r->encoder.state_bytes) +
         align16(r->predictor.state_bytes) + align16(r->joiner.state_bytes) +
         align16(r->adapter.state_bytes) + edge_features_memory(&r->features) + window_bytes(r) +
         encoder_out_bytes(r) + predictor_states_bytes(r) + edge_search_memory(&r->search) +
         edge_bias_store_memory(&r->bias);
}

edge_status_t edge_recogniser_workspace(const edge_image_t *image, uint32_t *bytes) {
  edge_recogniser_t r = {0};
  *bytes = 0;
  edge_status_t status = open_tables(&r, image);
  if (status == EDGE_OK) {
    status = open_graphs(&r, image);
  }
  if (status == EDGE_OK) {
    const uint64_t needed = needed_bytes(&r);
    status = needed <= UINT32_MAX ? EDGE_OK : EDGE_NO_MEMORY;
    *bytes = (uint32_t)needed;
  }
  return status;
}

static edge_status_t graphs_reset(void *context) {
  edge_recogniser_t *r = context;
  edge_graph_reset(&r->encoder);
  edge_graph_reset(&r->predictor);
  edge_graph_reset(&r->joiner);
  return EDGE_OK;
}

static edge_status_t graphs_restart(void *context) {
  edge_recogniser_t *r = context;
  edge_graph_reset(&r->predictor);
  edge_graph_reset(&r->joiner);
  return EDGE_OK;
}

static edge_status_t write_input(const edge_graph_t *graph, uint32_t index, const void *from) {
  edge_tensor_t tensor;
  const edge_status_t status = edge_graph_input(graph, index, &tensor);
  if (status == EDGE_OK) {
    memcpy(tensor.data, from, tensor.bytes);
  }
  return status;
}

static edge_status_t invoke_into(edge_graph_t *graph, int8_t *out) {
  edge_tensor_t tensor;
  edge_status_t status = edge_graph_invoke(graph);
  if (status == EDGE_OK) {
    status = edge_graph_output(graph, 0, &tensor);
  }
  if (status == EDGE_OK) {
    memcpy(out, tensor.data, tensor.bytes);
  }
  return status;
}

static edge_status_t graphs_encode(void *context, const int8_t *features, int8_t *encoder_out) {
  edge_recogniser_t *r = context;
  const edge_status_t status = write_input(&r->encoder, 0, features);
  return status == EDGE_OK ? invoke_into(&r->encoder, encoder_out) : status;
}

static edge_status_t graphs_predict(void *context, const int32_t *history, int8_t *predictor_out) {
  edge_recogniser_t *r = context;
  const edge_status_t status = write_input(&r->predictor, 0, history);
  return status == EDGE_OK ? invoke_into(&r->predictor, predictor_out) : status;
}

static edge_status_t graphs_join(void *context, const int8_t *encoder_out,
                                 const int8_t *predictor_out, int8_t *logits) {
  edge_recogniser_t *r = context;
  edge_status_t status = write_input(&r->joiner, 0, encoder_out);
  if (status == EDGE_OK) {
    status = write_input(&r->joiner, 1, predictor_out);
  }
  return status == EDGE_OK ? invoke_into(&r->joiner, logits) : status;
}

static edge_status_t graphs_adapt(void *context, const int8_t *keys, const int8_t *values,
                                  int8_t *encoder_out) {
  edge_recogniser_t *r = context;
  (void)keys; /* in the graph's state block */
  (void)values;
  const edge_status_t status = write_input(&r->adapter, 0, encoder_out);
  return status == EDGE_OK ? invoke_into(&r->adapter, encoder_out) : status;
}

static uint8_t *kept_state(const edge_recogniser_t *r, uint32_t place) {
  return r->predictor_states + place * align16(r->predictor.state_bytes);
}

static edge_status_t graphs_save(void *context, uint32_t place) {
  edge_recogniser_t *r = context;
  memcpy(kept_state(r, place), r->predictor.state, r->predictor.state_bytes);
  return EDGE_OK;
}

static edge_status_t graphs_restore(void *context, uint32_t place) {
  edge_recogniser_t *r = context;
  memcpy(r->predictor.state, kept_state(r, place), r->predictor.state_bytes);
  return EDGE_OK;
}

/* Carve the workspace in the order of docs/image.md. */
static edge_status_t bind_memory(edge_recogniser_t *r, uint8_t *at) {
  uint8_t *shared = at;
  at += arena_bytes(r);
  edge_graph_t *graphs[] = {&r->encoder, &r->predictor, &r->joiner, &r->adapter,
                            &r->endpoint_graph};
  for (uint32_t i = 0; i < 5; i++) {
    if (graphs[i]->section == NULL) {
      continue;
    }
    const edge_status_t status = edge_graph_bind(graphs[i], shared, at);
    if (status != EDGE_OK) {
      return status;
    }
    at += align16(graphs[i]->state_bytes);
  }
  edge_features_bind(&r->features, at);
  at += edge_features_memory(&r->features);
  r->window = (int8_t *)at;
  at += window_bytes(r);
  r->encoder_out = (int8_t *)at;
  at += encoder_out_bytes(r);
  r->predictor_states = at;
  at += predictor_states_bytes(r);
  edge_search_bind(&r->search, at);
  at += edge_search_memory(&r->search);
  edge_bias_store_bind(&r->bias, at);
  r->search.bias = &r->bias.active;
  r->search.bias_clock = r->clock;
  r->search.bias_cost = &r->costs.bias;
  return EDGE_OK;
}

edge_status_t edge_recogniser_open(edge_recogniser_t *r, const edge_image_t *image,
                                   const edge_runner_t *runner, const edge_listener_t *listener,
                                   edge_clock_fn clock, void *workspace, uint32_t workspace_bytes) {
  *r = (edge_recogniser_t){0};
  r->ended = 1;
  r->clock = clock;
  if (listener != NULL) {
    r->listener = *listener;
  }
  edge_status_t status = open_tables(r, image);
  if (status == EDGE_OK && runner == NULL) {
    status = open_graphs(r, image);
    const bool stateful = r->predictor.state_bytes > 0;
    r->runner = (edge_runner_t){.context = r,
                                .reset = graphs_reset,
                                .encode = graphs_encode,
                                .predict = graphs_predict,
                                .join = graphs_join,
                                .adapt = graphs_adapt,
                                .save = stateful ? graphs_save : NULL,
                                .restore = stateful ? graphs_restore : NULL,
                                .restart = graphs_restart};
  } else if (runner != NULL) {
    r->runner = *runner;
  }
  if (status != EDGE_OK) {
    return status;
  }
  if (workspace == NULL || workspace_bytes < needed_bytes(r)) {
    return EDGE_NO_MEMORY;
  }
  if (((uintptr_t)workspace & 15u) != 0) {
    return EDGE_BAD_ARGUMENT;
  }
  status = bind_memory(r, workspace);
  if (status == EDGE_OK && r->adapter.section != NULL) {
    status = edge_attention_bind(&r->attention, &r->adapter);
  }
  return status == EDGE_OK ? edge_recogniser_reset(r) : status;
}

/* The runner that the search calls: the real one, counted and timed. */
static edge_status_t timed_predict(void *context, const int32_t *history, int8_t *predictor_out) {
  edge_recogniser_t *r = context;
  const uint64_t start = now(r);
  const edge_status_t status = r->runner.predict(r->runner.context, history, predictor_out);
  r->costs.predictor += now(r) - start;
  r->costs.predictor_calls++;
  return status;
}

static edge_status_t timed_join(void *context, const int8_t *encoder_out,
                                const int8_t *predictor_out, int8_t *logits) {
  edge_recogniser_t *r = context;
  const uint64_t start = now(r);
  const edge_status_t status =
      r->runner.join(r->runner.context, encoder_out, predictor_out, logits);
  r->costs.joiner += now(r) - start;
  r->costs.joiner_calls++;
  if (status == EDGE_OK) {
    edge_endpointing_joined(r, logits);
  }
  return status;
}

static edge_status_t pass_save(void *context, uint32_t place) {
  const edge_recogniser_t *r = context;
  return r->runner.save(r->runner.context, place);
}

static edge_status_t pass_restore(void *context, uint32_t place) {
  const edge_recogniser_t *r = context;
  return r->runner.restore(r->runner.context, place);
}

/* What is counted under other names while the search runs. */
static uint64_t beside_search(const edge_recogniser_t *r) {
  const edge_costs_t *c = &r->costs;
  return c->predictor + c->joiner + c->bias + c->lattice + c->endpoint;
}

void edge_recogniser_conclude(edge_recogniser_t *r) {
  edge_search_finish(&r->search, &r->listener);
  if (r->search.max_arcs > 0) {
    const uint64_t start = now(r);
    edge_lattice_build(&r->search, &r->tokens);
    r->costs.lattice += now(r) - start;
  }
}

static edge_status_t decode(edge_recogniser_t *r) {
  const bool stateful = r->runner.save != NULL;
  const edge_runner_t timed = {.context = r,
                               .predict = timed_predict,
                               .join = timed_join,
                               .save = stateful ? pass_save : NULL,
                               .restore = stateful ? pass_restore : NULL};
  const uint64_t start = now(r), other = beside_search(r);
  edge_status_t status = EDGE_OK;
  for (uint32_t i = 0; i < r->search.frames_out && status == EDGE_OK && !r->stopped; i++) {
    r->frame_begins = true;
    status = edge_search_frame(&r->search, &timed, &r->listener,
                               r->encoder_out + i * r->search.joiner_dim);
    if (status == EDGE_OK) {
      status = edge_endpointing_frame(r);
    }
  }
  r->costs.search += now(r) - start - (beside_search(r) - other);
  r->costs.predictor_hits = r->search.hits;
  return status;
}

static edge_status_t adapt(edge_recogniser_t *r) {
  const uint64_t start = now(r);
  const edge_status_t status =
      r->runner.adapt(r->runner.context, r->attention.keys, r->attention.values, r->encoder_out);
  r->costs.adapter += now(r) - start;
  r->costs.adapter_calls++;
  return status;
}

static edge_status_t run_window(edge_recogniser_t *r) {
  const edge_features_t *f = &r->features;
  const uint64_t start = now(r);
  edge_status_t status = r->runner.encode(r->runner.context, r->window, r->encoder_out);
  r->costs.encoder += now(r) - start;
  r->costs.encoder_calls++;
  if (status == EDGE_OK && r->attending) {
    status = adapt(r);
  }
  if (status == EDGE_OK) {
    status = decode(r);
  }
  const uint32_t kept = f->window_frames - f->window_shift;
  memmove(r->window, r->window + f->window_shift * f->mel_bins, kept * f->mel_bins);
  r->window_filled = kept;
  r->window_new = 0;
  return status;
}

/* Put the frame just computed, or with `padding` a frame of silence, into the window; a full
 * window is run. */
static edge_status_t add_frame(edge_recogniser_t *r, bool padding) {
  const edge_features_t *f = &r->features;
  int8_t *frame = r->window + r->window_filled * f->mel_bins;
  if (padding) {
    memset(frame, f->padding_q, f->mel_bins);
  } else {
    const uint64_t start = now(r);
    edge_features_quantise(f, frame);
    r->costs.features += now(r) - start;
    edge_endpointing_level(r);
    r->window_new++;
  }
  r->window_filled++;
  return r->window_filled == f->window_frames ? run_window(r) : EDGE_OK;
}

static edge_status_t take(edge_recogniser_t *r, const int16_t *samples, uint32_t count) {
  while (count > 0 && !r->stopped) {
    uint32_t taken;
    const uint64_t start = now(r);
    const bool frame = edge_features_push(&r->features, samples, count, &taken);
    r->costs.features += now(r) - start;
    r->samples += taken;
    samples += taken;
    count -= taken;
    const edge_status_t status = frame ? add_frame(r, false) : EDGE_OK;
    if (status != EDGE_OK) {
      r->ended = 1;
      return status;
    }
  }
  return EDGE_OK;
}

edge_status_t edge_recogniser_push(edge_recogniser_t *r, const int16_t *samples, uint32_t count) {
  return r->ended != 0 ? EDGE_BAD_STATE : take(r, samples, count);
}

edge_status_t edge_recogniser_finish(edge_recogniser_t *r) {
  static const int16_t silence[64] = {0};
  if (r->ended != 0) {
    return EDGE_BAD_STATE;
  }
  edge_status_t status = EDGE_OK;
  for (uint32_t left = r->features.tail_padding; left > 0 && status == EDGE_OK && !r->stopped;) {
    const uint32_t count = left < 64 ? left : 64;
    status = take(r, silence, count);
    left -= count;
  }
  while (status == EDGE_OK && !r->stopped && edge_features_flush(&r->features)) {
    status = add_frame(r, false);
  }
  while (status == EDGE_OK && !r->stopped && r->window_new > 0) {
    status = add_frame(r, true);
  }
  if (status == EDGE_OK && !r->stopped) {
    const uint64_t start = now(r), other = beside_search(r);
    edge_recogniser_conclude(r);
    r->costs.search += now(r) - start - (beside_search(r) - other);
  }
  r->ended = 1;
  return status;
}

edge_status_t edge_recogniser_results(const edge_recogniser_t *r, const edge_sink_t *sink) {
  if (!r->search.ended) {
    return EDGE_BAD_STATE;
  }
  edge_lattice_write(&r->search, &r->tokens, sink);
  return EDGE_OK;
}

edge_status_t edge_recogniser_reset(edge_recogniser_t *r) {
  edge_features_reset(&r->features);
  edge_search_reset(&r->search);
  edge_endpoint_reset(&r->endpoint);
  r->stopped = false;
  r->samples = 0;
  r->window_filled = 0;
  r->window_new = 0;
  r->costs = (edge_costs_t){0};
  r->attending = edge_bias_store_attend(&r->bias) > 0;
  const edge_status_t status = r->runner.reset(r->runner.context);
  r->ended = status != EDGE_OK;
  return status;
}
