#include "model.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "single.h"

#define PIXEL_ZERO (-128) /* zero point where real = scale * pixel */
#define PIXEL_FLIP 0x80u  /* uint8 v as int8 v - 128, and back */
#define DECIMALS_LEAST 3u
#define DECIMALS_MOST 9u

/* The benchmarks whose data the runners send, by the sizes of their int8 tensors
 * (mlcommons/tiny: reference submissions; eembc/energyrunner: datasets/README.md). */
typedef struct benchmark {
  const char *id;
  uint32_t inputs, outputs;
  edge_feed_t feed;
} benchmark_t;

static const benchmark_t benchmarks[] = {
    {"kws01", 49u * 10u, 12u, EDGE_FEED_TENSORS},
    {"vww01", 96u * 96u * 3u, 2u, EDGE_FEED_PIXELS},
    {"ic01", 32u * 32u * 3u, 10u, EDGE_FEED_PIXELS},
    {"ad01", 5u * 128u, 5u * 128u, EDGE_FEED_FLOATS},
};

static bool is_one(const benchmark_t *benchmark, const edge_tensor_t *in,
                   const edge_tensor_t *out) {
  return in->dtype == EDGE_S8 && out->dtype == EDGE_S8 && in->bytes == benchmark->inputs &&
         out->bytes == benchmark->outputs &&
         (benchmark->feed != EDGE_FEED_PIXELS || in->zero_point == PIXEL_ZERO) &&
         (benchmark->feed != EDGE_FEED_FLOATS || in->scale > 0);
}

static void identify(edge_model_t *model) {
  edge_tensor_t in, out;
  model->id = "tensors";
  model->feed = EDGE_FEED_TENSORS;
  if (model->graph.input_count != 1 || model->graph.output_count != 1 ||
      edge_graph_input(&model->graph, 0, &in) != EDGE_OK ||
      edge_graph_output(&model->graph, 0, &out) != EDGE_OK) {
    return;
  }
  for (uint32_t i = 0; i < sizeof benchmarks / sizeof benchmarks[0]; i++) {
    if (is_one(&benchmarks[i], &in, &out)) {
      model->id = benchmarks[i].id;
      model->feed = benchmarks[i].feed;
    }
  }
}

static uint64_t aligned(uint64_t bytes) { return (bytes + 15u) & ~(uint64_t)15u; }

static uint64_t input_bytes(const edge_graph_t *graph) {
  uint64_t bytes = 0;
  edge_tensor_t tensor;
  for (uint32_t i = 0; edge_graph_input(graph, i, &tensor) == EDGE_OK; i++) {
    bytes += tensor.bytes;
  }
  return bytes;
}

edge_status_t edge_model_open(edge_model_t *model, const edge_image_t *image,
                              const edge_port_info_t *port) {
  edge_span_t section;
  edge_status_t status = edge_image_find(image, EDGE_TAG_SINGLE, &section);
  if (status == EDGE_OK) {
    status = edge_single_open(&model->graph, &section, port);
  }
  if (status != EDGE_OK) {
    return status;
  }
  identify(model);
  const bool floats = model->feed == EDGE_FEED_FLOATS;
  const uint64_t used = aligned(model->graph.arena_bytes) + aligned(model->graph.state_bytes);
  const uint64_t tensors = input_bytes(&model->graph);
  const uint64_t loaded = floats ? tensors * sizeof(float) : tensors;
  if (used + loaded + (floats ? tensors : 0) > port->workspace_bytes) {
    return EDGE_NO_MEMORY;
  }
  model->loaded = port->workspace + used;
  model->loaded_bytes = (uint32_t)loaded;
  model->tensors = floats ? model->loaded + loaded : model->loaded;
  model->tensor_bytes = (uint32_t)tensors;
  return EDGE_OK;
}

void edge_model_put(edge_model_t *model, uint32_t index, uint8_t byte) {
  model->loaded[index] = (uint8_t)(byte ^ (model->feed == EDGE_FEED_PIXELS ? PIXEL_FLIP : 0u));
}

uint8_t edge_model_get(const edge_model_t *model, uint32_t index) {
  const uint32_t flip = model->feed == EDGE_FEED_PIXELS ? PIXEL_FLIP : 0u;
  return (uint8_t)(model->loaded[index] ^ flip);
}

static float loaded_float(const edge_model_t *model, uint32_t index) {
  float value;
  memcpy(&value, model->loaded + sizeof value * index, sizeof value);
  return value;
}

/* round(value / scale) + zero_point as int8, halves away from zero; what is no number is least. */
static int8_t quantise(float value, const edge_tensor_t *tensor) {
  const float steps = value / tensor->scale;
  if (!(steps > -512.0f)) {
    return -128;
  }
  if (steps > 512.0f) {
    return 127;
  }
  int32_t rounded = (int32_t)steps;
  const float rest = steps - (float)rounded; /* exact */
  rounded += rest >= 0.5f ? 1 : rest <= -0.5f ? -1 : 0;
  rounded += tensor->zero_point;
  return (int8_t)(rounded < -128 ? -128 : rounded > 127 ? 127 : rounded);
}

void edge_model_prepare(edge_model_t *model) {
  edge_tensor_t in;
  if (model->feed != EDGE_FEED_FLOATS || edge_graph_input(&model->graph, 0, &in) != EDGE_OK) {
    return; /* the host's bytes are the tensors */
  }
  for (uint32_t i = 0; i < model->tensor_bytes; i++) {
    model->tensors[i] = (uint8_t)quantise(loaded_float(model, i), &in);
  }
}

edge_status_t edge_model_infer(edge_model_t *model) {
  const uint8_t *from = model->tensors;
  edge_tensor_t in;
  edge_graph_reset(&model->graph);
  for (uint32_t i = 0; edge_graph_input(&model->graph, i, &in) == EDGE_OK; i++) {
    memcpy(in.data, from, in.bytes);
    from += in.bytes;
  }
  return edge_graph_invoke(&model->graph);
}

static uint32_t element_bytes(const edge_tensor_t *tensor) {
  switch (tensor->dtype) {
  case EDGE_S16:
    return 2;
  case EDGE_S32:
    return 4;
  case EDGE_S64:
    return 8;
  default:
    return 1;
  }
}

/* An element as it is stored, as a float; beyond 24 bits it is rounded. */
static float stored(const edge_tensor_t *tensor, uint32_t index) {
  const uint32_t width = element_bytes(tensor);
  const uint8_t *at = (const uint8_t *)tensor->data + width * index;
  uint64_t bits = 0;
  for (uint32_t i = 0; i < width; i++) {
    bits |= (uint64_t)at[i] << (8u * i);
  }
  if (tensor->dtype == EDGE_U8) {
    return (float)bits;
  }
  const uint64_t sign = (uint64_t)1 << (8u * width - 1u);
  return (float)(int64_t)((bits ^ sign) - sign);
}

static float real(const edge_tensor_t *tensor, uint32_t index) {
  const float value = stored(tensor, index);
  return tensor->scale > 0 ? (value - (float)tensor->zero_point) * tensor->scale : value;
}

/* So many that neighbours of a quantised tensor never look the same. */
static uint32_t decimals_of(const edge_tensor_t *tensor) {
  uint32_t decimals = DECIMALS_LEAST;
  for (float step = tensor->scale * 1000.0f; step > 0 && step < 1.0f && decimals < DECIMALS_MOST;
       step *= 10.0f) {
    decimals++;
  }
  return decimals;
}

/* Mean square of what the output is off the host's numbers. */
static void tell_error(const edge_model_t *model, const edge_tensor_t *out, edge_reply_t *reply) {
  float sum = 0;
  for (uint32_t i = 0; i < model->tensor_bytes; i++) {
    const float off = real(out, i) - loaded_float(model, i);
    sum += off * off;
  }
  edge_reply_decimal(reply, sum / (float)model->tensor_bytes, DECIMALS_LEAST);
}

void edge_model_tell(const edge_model_t *model, edge_reply_t *reply) {
  edge_tensor_t out;
  for (uint32_t i = 0; edge_graph_output(&model->graph, i, &out) == EDGE_OK; i++) {
    if (model->feed == EDGE_FEED_FLOATS) {
      tell_error(model, &out, reply);
      continue;
    }
    const uint32_t decimals = decimals_of(&out), count = out.bytes / element_bytes(&out);
    for (uint32_t k = 0; k < count; k++) {
      edge_reply_text(reply, i > 0 || k > 0 ? "," : "");
      edge_reply_decimal(reply, real(&out, k), decimals);
    }
  }
}
