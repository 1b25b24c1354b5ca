/* What a caller without C headers (sdk/edgesdk/core) needs besides the core's functions: sizes of
 * its structs and the fields that it reads. */
#include <stddef.h>

#include "edge/attention.h"
#include "edge/bias.h"
#include "edge/bias_store.h"
#include "edge/features.h"
#include "edge/graph.h"
#include "edge/image.h"
#include "edge/recogniser.h"
#include "edge/search.h"
#include "edge/tokens.h"

const uint32_t *edge_binding_sizes(void);
void edge_binding_graph(const edge_graph_t *graph, uint32_t out[5]);
uint8_t *edge_binding_state(const edge_graph_t *graph);
void edge_binding_features(const edge_features_t *features, uint32_t out[7]);
const float *edge_binding_log_mel(const edge_features_t *features);
void edge_binding_search(const edge_search_t *search, uint32_t out[6]);
const edge_features_t *edge_binding_recogniser_features(const edge_recogniser_t *recogniser);
const edge_search_t *edge_binding_recogniser_search(const edge_recogniser_t *recogniser);
const edge_costs_t *edge_binding_costs(const edge_recogniser_t *recogniser);
edge_status_t edge_binding_bias_add(edge_bias_t *bias, const edge_bias_table_t *table);
edge_bias_store_t *edge_binding_recogniser_bias(edge_recogniser_t *recogniser);
void edge_binding_bias_room(const edge_bias_store_t *store, uint32_t out[2]);
const char *edge_binding_bias_entry(const edge_bias_store_t *store, uint32_t index,
                                    uint32_t out[7]);
void edge_binding_search_bias(edge_search_t *search, const edge_bias_t *bias);
edge_endpoint_t *edge_binding_recogniser_endpoint(edge_recogniser_t *recogniser);
void edge_binding_attention(const edge_recogniser_t *recogniser, uint32_t out[3]);

/* In the order of sdk/edgesdk/core/library.py. */
const uint32_t *edge_binding_sizes(void) {
  static const uint32_t sizes[] = {
      sizeof(edge_image_t),          sizeof(edge_graph_t),          sizeof(edge_features_t),
      sizeof(edge_search_t),         sizeof(edge_tokens_t),         sizeof(edge_recogniser_t),
      sizeof(edge_bias_t),           sizeof(edge_bias_table_t),     sizeof(edge_bias_state_t),
      sizeof(edge_bias_store_t),     sizeof(edge_endpoint_t),       sizeof(edge_attention_t),
      sizeof(edge_span_t),           sizeof(edge_tensor_t),         sizeof(edge_runner_t),
      sizeof(edge_listener_t),       sizeof(edge_costs_t),          sizeof(edge_sink_t),
      sizeof(edge_endpoint_event_t), sizeof(edge_endpoint_facts_t),
  };
  return sizes;
}

void edge_binding_graph(const edge_graph_t *graph, uint32_t out[5]) {
  out[0] = graph->op_count;
  out[1] = graph->input_count;
  out[2] = graph->output_count;
  out[3] = graph->arena_bytes;
  out[4] = graph->state_bytes;
}

uint8_t *edge_binding_state(const edge_graph_t *graph) { return graph->state; }

void edge_binding_features(const edge_features_t *features, uint32_t out[7]) {
  out[0] = features->sample_rate;
  out[1] = features->frame_length;
  out[2] = features->frame_shift;
  out[3] = features->mel_bins;
  out[4] = features->window_frames;
  out[5] = features->window_shift;
  out[6] = features->tail_padding;
}

const float *edge_binding_log_mel(const edge_features_t *features) { return features->log_mel; }

void edge_binding_search(const edge_search_t *search, uint32_t out[6]) {
  out[0] = search->vocab;
  out[1] = search->joiner_dim;
  out[2] = search->frames_out;
  out[3] = search->context_size;
  out[4] = search->frame_us;
  out[5] = search->beam;
}

const edge_features_t *edge_binding_recogniser_features(const edge_recogniser_t *recogniser) {
  return &recogniser->features;
}

const edge_search_t *edge_binding_recogniser_search(const edge_recogniser_t *recogniser) {
  return &recogniser->search;
}

const edge_costs_t *edge_binding_costs(const edge_recogniser_t *recogniser) {
  return &recogniser->costs;
}

edge_status_t edge_binding_bias_add(edge_bias_t *bias, const edge_bias_table_t *table) {
  if (bias->count == EDGE_BIAS_TABLES) {
    return EDGE_NO_MEMORY;
  }
  bias->table[bias->count++] = *table;
  return EDGE_OK;
}

edge_bias_store_t *edge_binding_recogniser_bias(edge_recogniser_t *recogniser) {
  return &recogniser->bias;
}

void edge_binding_bias_room(const edge_bias_store_t *store, uint32_t out[2]) {
  out[0] = store->room_bytes;
  out[1] = store->used;
}

/* Name of a table, NULL behind the last one. */
const char *edge_binding_bias_entry(const edge_bias_store_t *store, uint32_t index,
                                    uint32_t out[7]) {
  bool in_room = false;
  const edge_bias_entry_t *entry = edge_bias_store_entry(store, index, &in_room);
  if (entry == NULL) {
    return NULL;
  }
  out[0] = entry->active;
  out[1] = in_room;
  out[2] = entry->table.nodes;
  out[3] = entry->table.phrases;
  out[4] = entry->table.bytes;
  out[5] = edge_crc32(0, entry->table.data, entry->table.bytes);
  out[6] = entry->table.rows != NULL;
  return entry->table.name;
}

edge_endpoint_t *edge_binding_recogniser_endpoint(edge_recogniser_t *recogniser) {
  return &recogniser->endpoint;
}

void edge_binding_search_bias(edge_search_t *search, const edge_bias_t *bias) {
  search->bias = bias;
}

void edge_binding_attention(const edge_recogniser_t *recogniser, uint32_t out[3]) {
  out[0] = recogniser->attention.heads;
  out[1] = recogniser->attention.rows;
  out[2] = recogniser->attention.width;
}
