/* Convolution and depthwise convolution; fully connected layers are convolutions of one tap.
 *
 * Weights are decoded into the work memory for as many channels as it holds; then every window of
 * the input is gathered once for all of them. */
#include <stddef.h>
#include <string.h>

#include "ethosu/job.h"
#include "ethosu/weights.h"

#define ROW 16u             /* rows of weights are filled up to a multiple */
#define NARROW_DEPTH 16384u /* products of int8 and a weight that 32 bits can sum */
#define WIDE_DEPTH 240u     /* the same for int16 */
#define LARGEST_WEIGHT 255  /* that 32-bit sums are made for */

typedef struct convolution {
  edge_ethosu_t *npu;
  edge_emu_fm_t ifm;
  edge_emu_output_t output;
  edge_emu_window_t window;
  edge_emu_order_t order;
  uint32_t inputs;
  uint32_t row; /* weights of a channel, filled up */
  uint32_t depth_step;
  uint32_t core;
  uint32_t cores;
  uint32_t block_depth;
  uint32_t channels; /* of this core */
  uint32_t capacity; /* channels that the work memory holds */
  edge_emu_channel_t *scales;
  int16_t *weights;
  int16_t *gathered;
} convolution_t;

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* `count` is a multiple of 16. */
static int32_t dot16(const int16_t *a, const int16_t *b, uint32_t count) {
  uint32_t sum = 0;
  count &= ~(ROW - 1u);
  for (uint32_t i = 0; i < count; i++) {
    sum += (uint32_t)(a[i] * b[i]);
  }
  return (int32_t)sum;
}

static int64_t dot(const convolution_t *c, const int16_t *weights) {
  if (c->row <= c->depth_step) {
    return dot16(c->gathered, weights, c->row);
  }
  int64_t sum = 0;
  for (uint32_t i = 0; i < c->row; i += c->depth_step) {
    sum += dot16(c->gathered + i, weights + i, least(c->depth_step, c->row - i));
  }
  return sum;
}

static void note_overflow(edge_ethosu_t *npu, int64_t sum) {
  if (npu->state.acc_format == 0u && (sum < EDGE_EMU_SMALLEST || sum > EDGE_EMU_LARGEST)) {
    npu->overflows++;
  }
}

static bool read_scales(convolution_t *c, uint32_t first, uint32_t count) {
  const edge_ethosu_state_t *s = &c->npu->state;
  uint64_t bytes = (uint64_t)count * EDGE_ETHOSU_SCALE_BYTES;
  const uint8_t *at =
      edge_emu_source(c->npu, s->scale_region,
                      s->scale_base[c->core] + (uint64_t)first * EDGE_ETHOSU_SCALE_BYTES, bytes);
  if (at == NULL) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++, at += EDGE_ETHOSU_SCALE_BYTES) {
    uint32_t low;
    memcpy(&low, at, sizeof low);
    memcpy(&c->scales[i].multiplier, at + 5, sizeof c->scales[i].multiplier);
    c->scales[i].bias = (int64_t)(int8_t)at[4] * ((int64_t)1 << 32) + low;
    c->scales[i].shift = at[9] & 0x3fu;
  }
  edge_emu_count(c->npu, s->scale_region, bytes, false);
  return true;
}

/* Decode channels from `first` on: whole blocks, or a part of one where no whole one fits. Their
 * number; 0 after a fault. */
static uint32_t decode(convolution_t *c, uint32_t first) {
  uint32_t kept = 0;
  while (first + kept < c->channels) {
    uint32_t at = first + kept;
    uint32_t start = at - at % c->block_depth;
    uint32_t end = least(start + c->block_depth, c->channels);
    uint32_t count = least(end - at, c->capacity - kept);
    if (count == 0u || (kept > 0u && count < end - at)) {
      break;
    }
    if (!edge_emu_spend(c->npu, end - start + c->order.ofm_ublock, c->row)) {
      return 0;
    }
    if (at != start) {
      c->npu->mlw = c->npu->mlw_block;
    } else if (count < end - at) {
      c->npu->mlw_block = c->npu->mlw;
    }
    edge_emu_block_t block = {end - start, at - start, count};
    bool depthwise = c->order.depthwise;
    if (!edge_emu_decode_block(&c->npu->mlw, &c->order, &block, depthwise ? 1u : c->row,
                               depthwise ? c->capacity : c->inputs,
                               c->weights + (size_t)kept * (depthwise ? 1u : c->row))) {
      const edge_ethosu_state_t *s = &c->npu->state;
      (void)edge_emu_fail(c->npu, EDGE_ETHOSU_FAULT_WEIGHTS, s->weight_region,
                          s->weight_base[c->core] + c->npu->mlw.bits.at);
      return 0;
    }
    kept += count;
  }
  return kept;
}

static bool gather(const convolution_t *c, uint32_t y, uint32_t x) {
  int16_t *out = c->gathered;
  for (uint32_t i = 0; i < c->window.taps_y; i++) {
    for (uint32_t j = 0; j < c->window.taps_x; j++, out += c->inputs) {
      uint32_t row;
      uint32_t column;
      if (edge_emu_find_tap(&c->window, y, x, i, j, &row, &column) != EDGE_EMU_INSIDE) {
        memset(out, 0, c->inputs * sizeof *out);
      } else if (!edge_emu_load16(&c->ifm, row, column, c->inputs, out)) {
        return false;
      }
    }
  }
  return true;
}

static bool write(const convolution_t *c, uint32_t y, uint32_t x, uint32_t first, uint32_t slot,
                  uint32_t count, int64_t *sums) {
  for (uint32_t i = 0; i < count; i++) {
    sums[i] += c->scales[slot + i].bias;
    note_overflow(c->npu, sums[i]);
  }
  edge_emu_finish(&c->output, &c->scales[slot], count, sums);
  return edge_emu_store(&c->output.fm, y, x, (first + slot) * c->cores + c->core, c->cores, count,
                        sums);
}

static bool multiply(const convolution_t *c, uint32_t y, uint32_t x, uint32_t first,
                     uint32_t kept) {
  int64_t sums[EDGE_EMU_CHANNELS];
  if (!gather(c, y, x)) {
    return false;
  }
  for (uint32_t slot = 0; slot < kept; slot += EDGE_EMU_CHANNELS) {
    uint32_t count = least(kept - slot, EDGE_EMU_CHANNELS);
    for (uint32_t i = 0; i < count; i++) {
      sums[i] = dot(c, c->weights + (size_t)(slot + i) * c->row);
    }
    if (!write(c, y, x, first, slot, count, sums)) {
      return false;
    }
  }
  return true;
}

/* Channels of a core lie `cores` apart in the input too. */
static bool weigh(const convolution_t *c, uint32_t y, uint32_t x, uint32_t first, uint32_t slot,
                  uint32_t count) {
  int64_t sums[EDGE_EMU_CHANNELS] = {0};
  int64_t loaded[2u * EDGE_EMU_CHANNELS];
  const int16_t *weights = c->weights + slot;
  for (uint32_t i = 0; i < c->window.taps_y; i++) {
    for (uint32_t j = 0; j < c->window.taps_x; j++, weights += c->capacity) {
      uint32_t row;
      uint32_t column;
      if (edge_emu_find_tap(&c->window, y, x, i, j, &row, &column) != EDGE_EMU_INSIDE) {
        continue;
      }
      if (!edge_emu_load(&c->ifm, row, column, (first + slot) * c->cores + c->core,
                         (count - 1u) * c->cores + 1u, loaded)) {
        return false;
      }
      for (uint32_t k = 0; k < count; k++) {
        sums[k] += loaded[k * c->cores] * weights[k];
      }
    }
  }
  return write(c, y, x, first, slot, count, sums);
}

static bool run_channels(const convolution_t *c, uint32_t first, uint32_t kept) {
  const edge_ethosu_fm_t *ofm = c->output.fm.fm;
  for (uint32_t y = 0; y < ofm->height; y++) {
    for (uint32_t x = 0; x < ofm->width; x++) {
      if (!c->order.depthwise) {
        if (!multiply(c, y, x, first, kept)) {
          return false;
        }
        continue;
      }
      for (uint32_t slot = 0; slot < kept; slot += EDGE_EMU_CHANNELS) {
        if (!weigh(c, y, x, first, slot, least(kept - slot, EDGE_EMU_CHANNELS))) {
          return false;
        }
      }
    }
  }
  return true;
}

static bool run_core(convolution_t *c) {
  const edge_ethosu_state_t *s = &c->npu->state;
  c->channels = (s->ofm.depth + c->cores - 1u - c->core) / c->cores;
  c->block_depth = (s->block_depth + c->cores - 1u - c->core) / c->cores;
  if (c->channels == 0u) {
    return true;
  }
  const uint8_t *stream =
      edge_emu_source(c->npu, s->weight_region, s->weight_base[c->core], s->weight_length[c->core]);
  if (stream == NULL) {
    return false;
  }
  if (c->block_depth == 0u) {
    return edge_emu_fail(c->npu, EDGE_ETHOSU_FAULT_OPERATION, s->ofm.region, s->ofm.base[0]);
  }
  if (!edge_emu_spend(c->npu, 1, s->weight_length[c->core] / ROW)) {
    return false;
  }
  edge_emu_count(c->npu, s->weight_region, s->weight_length[c->core], false);
  edge_mlw_open(&c->npu->mlw, stream, s->weight_length[c->core]);
  uint32_t first = 0;
  while (first < c->channels) {
    uint32_t kept = decode(c, first);
    if (kept == 0u || !read_scales(c, first, kept) || !run_channels(c, first, kept)) {
      return false;
    }
    first += kept;
  }
  return true;
}

/* Places in the work memory: the gathered window, then scales, then weights. */
static bool divide_work(convolution_t *c) {
  uint64_t taps = (uint64_t)c->window.taps_y * c->window.taps_x; /* at most 2^32 */
  uint64_t used = taps * c->inputs;
  uint64_t row = (used + ROW - 1u) & ~(uint64_t)(ROW - 1u);
  uint64_t gathered = c->order.depthwise ? 0u : row * sizeof(int16_t);
  uint64_t each = sizeof(edge_emu_channel_t) + row * sizeof(int16_t);
  uint64_t room = c->npu->work_bytes;
  if (row > INT32_MAX || gathered + each + ROW > room) {
    return edge_emu_fail(c->npu, EDGE_ETHOSU_FAULT_WORK, c->npu->state.weight_region,
                         c->npu->state.weight_base[0]);
  }
  uint64_t most = (room - gathered) / each;
  c->row = (uint32_t)row;
  c->capacity = most < c->npu->state.ofm.depth ? (uint32_t)most : c->npu->state.ofm.depth;
  c->gathered = (int16_t *)(void *)c->npu->work;
  c->scales = (edge_emu_channel_t *)(void *)(c->npu->work + gathered);
  c->weights = (int16_t *)(void *)(c->npu->work + gathered + c->capacity * sizeof *c->scales);
  if (!edge_emu_spend(c->npu, 1, c->capacity * each / ROW)) {
    return false;
  }
  /* What fills up windows and rows adds nothing. */
  memset(c->gathered, 0, (size_t)gathered);
  if (!c->order.depthwise && row != used) {
    memset(c->weights, 0, (size_t)(row * c->capacity * sizeof(int16_t)));
  }
  return true;
}

static void open_order(convolution_t *c, bool depthwise, bool wide) {
  const edge_ethosu_state_t *s = &c->npu->state;
  bool part_kernel = edge_ethosu_part_kernel(s) && !depthwise;
  c->order = (edge_emu_order_t){
      .height = c->window.taps_y,
      .width = c->window.taps_x,
      .inputs = depthwise ? 1u : c->inputs,
      .ofm_ublock = c->npu->ofm_ublock,
      .ifm_ublock = c->npu->ifm_ublock,
      .ifm_block = part_kernel || wide ? 16u : 32u,
      .tap_round = depthwise     ? 4u
                   : part_kernel ? (wide ? 2u : 4u)
                                 : 1u,
      .sub_height = 8u / c->window.step_y,
      .sub_width = 8u / c->window.step_x,
      .depthwise = depthwise,
      .part_kernel = part_kernel,
  };
}

/* Elements less their zero point have to fit into 16 bits, as they do for all that TFLite has. */
static bool is_supported(const edge_emu_fm_t *ifm) {
  if (ifm->bytes == 1u) {
    return ifm->is_signed ? ifm->zero >= -128 && ifm->zero <= 127 : ifm->zero <= 255;
  }
  return ifm->bytes == 2u && ifm->is_signed && ifm->zero == 0;
}

bool edge_emu_convolve(edge_ethosu_t *npu, bool depthwise) {
  const edge_ethosu_state_t *s = &npu->state;
  convolution_t c = {.npu = npu, .inputs = depthwise ? 1u : s->ifm.depth};
  if (!edge_emu_open_ifm(npu, &s->ifm, &c.ifm) || !edge_emu_open_output(npu, true, &c.output)) {
    return false;
  }
  if (!is_supported(&c.ifm) || s->upscale > 2u || s->parallel_mode > 1u) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, s->ifm.region, s->ifm.base[0]);
  }
  edge_emu_open_window(s, &c.window);
  bool wide = c.ifm.bytes == 2u;
  open_order(&c, depthwise, wide);
  c.depth_step = wide ? WIDE_DEPTH : NARROW_DEPTH;
  uint64_t taps = (uint64_t)c.window.taps_y * c.window.taps_x;
  c.cores = s->parallel_mode + 1u;
  if (!edge_emu_spend_taps(npu, taps * c.inputs) || !divide_work(&c)) {
    return false;
  }
  for (c.core = 0; c.core < c.cores; c.core++) {
    if (!run_core(&c)) {
      return false;
    }
  }
  edge_emu_count(npu, s->ifm.region,
                 edge_emu_input_bytes(&c.window, depthwise ? s->ofm.depth : c.inputs, c.ifm.bytes),
                 false);
  return true;
}
