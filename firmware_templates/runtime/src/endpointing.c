#include "endpointing.h"

#include <stddef.h>
#include <string.h>

static uint64_t now(const edge_recogniser_t *r) { return r->clock != NULL ? r->clock() : 0; }

/* Steps of these sizes keep every product below within 32 bits. */
static bool scale_valid(float scale) { return scale > 1e-6f && scale < 64.0f; }

/* GEND may lack: features in, one number out, no state. */
static edge_status_t open_graph(edge_recogniser_t *r, const edge_image_t *image) {
  edge_span_t section;
  edge_graph_t *graph = &r->endpoint_graph;
  edge_tensor_t in, out;
  (void)edge_image_find(image, EDGE_TAG_ENDPOINT_GRAPH, &section);
  if (section.data == NULL) {
    return EDGE_OK;
  }
  const edge_status_t status = edge_graph_open(graph, section.data, section.size);
  if (status != EDGE_OK) {
    return status;
  }
  const bool fits = r->has_endpoint && graph->input_count == 1 && graph->output_count == 1 &&
                    graph->state_bytes == 0 && edge_graph_input(graph, 0, &in) == EDGE_OK &&
                    edge_graph_output(graph, 0, &out) == EDGE_OK && in.dtype == EDGE_S8 &&
                    in.bytes == EDGE_ENDPOINT_FEATURES && out.dtype == EDGE_S8 && out.bytes == 1 &&
                    scale_valid(in.scale) && scale_valid(out.scale) && in.zero_point >= -128 &&
                    in.zero_point <= 127 && out.zero_point >= -128 && out.zero_point <= 127;
  return fits ? EDGE_OK : EDGE_BAD_LAYOUT;
}

edge_status_t edge_endpointing_open(edge_recogniser_t *r, const edge_image_t *image) {
  edge_span_t section;
  (void)edge_image_find(image, EDGE_TAG_ENDPOINT, &section);
  r->has_endpoint = section.data != NULL;
  const edge_features_t *f = &r->features;
  const uint32_t level_us = (uint32_t)((uint64_t)f->frame_shift * 1000000u / f->sample_rate);
  const edge_status_t status =
      edge_endpoint_open(&r->endpoint, section.data, section.size, r->search.frame_us, level_us);
  return status == EDGE_OK ? open_graph(r, image) : status;
}

edge_status_t edge_recogniser_endpoint(edge_recogniser_t *r, edge_endpoint_mode_t mode) {
  if (mode > EDGE_ENDPOINT_SEGMENT || (mode != EDGE_ENDPOINT_OFF && !r->has_endpoint)) {
    return EDGE_BAD_ARGUMENT;
  }
  r->endpoint_mode = mode;
  return EDGE_OK;
}

/* Mean log energy of the mel bands, Q8. */
void edge_endpointing_level(edge_recogniser_t *r) {
  if (r->endpoint_mode == EDGE_ENDPOINT_OFF) {
    return;
  }
  const uint64_t start = now(r);
  const edge_features_t *f = &r->features;
  float sum = 0.0f;
  for (uint32_t i = 0; i < f->mel_bins; i++) {
    sum += f->log_mel[i];
  }
  const float mean = sum / (float)f->mel_bins;
  const float bounded = mean < 64.0f ? (mean > -64.0f ? mean : -64.0f) : 64.0f;
  edge_endpoint_level(&r->endpoint, (int32_t)(bounded * 256.0f));
  r->costs.endpoint += now(r) - start;
}

/* The blank's log odds against the best token, after the hypothesis that was best. */
void edge_endpointing_joined(edge_recogniser_t *r, const int8_t *logits) {
  if (r->endpoint_mode == EDGE_ENDPOINT_OFF || !r->frame_begins) {
    return;
  }
  const uint64_t start = now(r);
  const edge_search_t *s = &r->search;
  int32_t best = INT8_MIN;
  for (uint32_t i = 0; i < s->vocab; i++) {
    best = i != s->blank && logits[i] > best ? logits[i] : best;
  }
  const int64_t steps = logits[s->blank] - best;
  const int64_t margin = steps * s->logit_scale_q24 / (1 << 16);
  r->margin_q8 = (int32_t)(margin < -32768 ? -32768 : margin > 32767 ? 32767 : margin);
  r->frame_begins = false;
  r->costs.endpoint += now(r) - start;
}

/* Whether a token is the word mark U+2581 alone. */
static bool only_mark(const edge_recogniser_t *r, uint32_t token) {
  const uint8_t *piece;
  uint32_t bytes;
  return edge_tokens_piece(&r->tokens, (int32_t)token, &piece, &bytes) == EDGE_OK && bytes == 3 &&
         memcmp(piece, "\xe2\x96\x81", 3) == 0;
}

static edge_endpoint_facts_t best_path(const edge_recogniser_t *r) {
  const edge_search_t *s = &r->search;
  const edge_hypothesis_t *best = &s->live[0];
  return (edge_endpoint_facts_t){
      .tokens = best->length,
      .path = edge_search_path(s),
      .open_word = best->length > 0 && only_mark(r, best->context[s->context_size - 1]),
      .margin_q8 = r->margin_q8,
  };
}

static void tell(edge_recogniser_t *r, edge_endpoint_kind_t kind) {
  const edge_endpoint_t *e = &r->endpoint;
  if (r->listener.endpoint == NULL) {
    return;
  }
  const uint32_t tokens = r->search.live[0].length - e->first_token;
  const uint32_t untold = edge_search_untold(&r->search);
  const edge_endpoint_event_t event = {
      .kind = kind,
      .utterance = e->index,
      .version = e->version,
      .time_ms = (uint32_t)(r->samples * 1000u / r->features.sample_rate),
      .tokens = tokens,
      .untold = untold < tokens ? untold : tokens,
  };
  r->listener.endpoint(r->listener.context, &event);
}

/* The search's next utterance begins where the last one ended; the encoder goes on. */
static edge_status_t next_utterance(edge_recogniser_t *r) {
  edge_search_t *s = &r->search;
  const uint32_t frame = s->frame, hits = s->hits;
  edge_search_reset(s);
  s->frame = frame;
  s->hits = hits;
  edge_endpoint_next(&r->endpoint, 0);
  return r->runner.restart != NULL ? r->runner.restart(r->runner.context) : EDGE_OK;
}

/* A final end point of a search that stops here. */
static edge_status_t end_utterance(edge_recogniser_t *r) {
  edge_recogniser_conclude(r);
  const edge_endpoint_facts_t finished = best_path(r);
  edge_endpoint_settle(&r->endpoint, &finished);
  tell(r, EDGE_ENDPOINT_FINAL);
  r->stopped = r->endpoint_mode == EDGE_ENDPOINT_STOP;
  return r->stopped ? EDGE_OK : next_utterance(r);
}

/* The graph's score of the features, each divided by its range. */
static edge_status_t graph_score(edge_recogniser_t *r, int32_t *score_q16) {
  edge_graph_t *graph = &r->endpoint_graph;
  int32_t features[EDGE_ENDPOINT_FEATURES];
  edge_tensor_t in, out;
  edge_status_t status = edge_graph_input(graph, 0, &in);
  if (status != EDGE_OK) {
    return status;
  }
  edge_endpoint_features(&r->endpoint, features);
  int8_t *values = (int8_t *)in.data;
  const float steps = 1.0f / in.scale;
  for (uint32_t i = 0; i < EDGE_ENDPOINT_FEATURES; i++) {
    const float share = (float)features[i] / (float)edge_endpoint_range_q8[i];
    const float scaled = share * steps;
    const float bounded = scaled < 256.0f ? (scaled > -256.0f ? scaled : -256.0f) : 256.0f;
    const int32_t q = (int32_t)(bounded + (bounded < 0.0f ? -0.5f : 0.5f)) + in.zero_point;
    values[i] = (int8_t)(q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : q);
  }
  status = edge_graph_invoke(graph);
  r->costs.endpoint_calls++;
  if (status == EDGE_OK) {
    status = edge_graph_output(graph, 0, &out);
  }
  if (status == EDGE_OK) {
    const int32_t unit_q16 = (int32_t)(out.scale * 65536.0f + 0.5f);
    *score_q16 = (*(const int8_t *)out.data - out.zero_point) * unit_q16;
  }
  return status;
}

edge_status_t edge_endpointing_frame(edge_recogniser_t *r) {
  if (r->endpoint_mode == EDGE_ENDPOINT_OFF) {
    return EDGE_OK;
  }
  const uint64_t start = now(r);
  const bool has_graph = r->endpoint_graph.op_count > 0;
  const edge_endpoint_facts_t facts = best_path(r);
  int32_t score_q16 = 0;
  edge_endpoint_take(&r->endpoint, &facts);
  const edge_status_t status = has_graph ? graph_score(r, &score_q16) : EDGE_OK;
  if (status != EDGE_OK) {
    return status;
  }
  const edge_endpoint_kind_t kind =
      edge_endpoint_decide(&r->endpoint, has_graph ? &score_q16 : NULL);
  r->costs.endpoint += now(r) - start;
  if (kind == EDGE_ENDPOINT_FINAL && r->endpoint_mode != EDGE_ENDPOINT_WATCH) {
    return end_utterance(r);
  }
  if (kind != EDGE_ENDPOINT_NONE) {
    tell(r, kind);
  }
  if (kind == EDGE_ENDPOINT_FINAL) {
    edge_endpoint_next(&r->endpoint, facts.tokens);
  }
  return EDGE_OK;
}
