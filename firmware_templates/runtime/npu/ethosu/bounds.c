#include "bounds.h"

#include <stddef.h>

#define BRICK 16u          /* channels that NHCWB16 keeps together */
#define WIDEST 2u          /* 4 bytes, as the logarithm in a precision */
#define MOST_UPSCALE 2u    /* zeros between */
#define LUT_FUNCTION 16u   /* from here on an activation is a table */
#define ACTIVATION_TANH 3u /* and above it SIGMOID */
#define ACTIVATION_SIGMOID 4u

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* The elements that an input of `across` needs for `count` outputs. Below 2^20. */
static bool input_of(uint32_t count, uint32_t stride, uint32_t kernel, uint32_t pad,
                     uint32_t upscale, uint32_t *across) {
  const uint32_t padded = (count - 1) * stride + kernel;
  *across = padded > pad ? padded - pad : 0;
  *across = upscale != 0 ? (*across + 1) / 2 : *across;
  return *across > 0;
}

edge_status_t edge_ethosu_ifm_size(const edge_ethosu_state_t *s,
                                   const edge_ethosu_command_t *command, edge_ethosu_size_t *size) {
  if (command->code == EDGE_ETHOSU_OP_ELEMENTWISE) {
    *size = (edge_ethosu_size_t){s->ofm.height, s->ofm.width, s->ofm.depth};
    return s->upscale == 0 ? EDGE_OK : EDGE_NPU_STREAM;
  }
  const bool all_channels =
      command->code == EDGE_ETHOSU_OP_CONV ||
      (command->code == EDGE_ETHOSU_OP_POOL && command->param == EDGE_ETHOSU_POOL_REDUCE_SUM);
  size->depth = all_channels ? s->ifm.depth : s->ofm.depth;
  const uint32_t down = (uint32_t)s->pad_top + s->pad_bottom;
  const uint32_t across = (uint32_t)s->pad_left + s->pad_right;
  return input_of(s->ofm.height, edge_ethosu_stride_y(s), s->kernel_height, down, s->upscale,
                  &size->height) &&
                 input_of(s->ofm.width, edge_ethosu_stride_x(s), s->kernel_width, across,
                          s->upscale, &size->width)
             ? EDGE_OK
             : EDGE_NPU_STREAM;
}

bool edge_ethosu_has_ifm2(const edge_ethosu_state_t *s, const edge_ethosu_command_t *command) {
  return command->code == EDGE_ETHOSU_OP_ELEMENTWISE && command->param != EDGE_ETHOSU_LRELU &&
         command->param != EDGE_ETHOSU_ABS && command->param != EDGE_ETHOSU_CLZ &&
         (s->ifm2_broadcast & EDGE_ETHOSU_SCALAR) == 0;
}

edge_ethosu_size_t edge_ethosu_ifm2_size(const edge_ethosu_state_t *s) {
  return (edge_ethosu_size_t){
      .height = (s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_H) != 0 ? 1 : s->ofm.height,
      .width = (s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_W) != 0 ? 1 : s->ofm.width,
      .depth = (s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_C) != 0 ? 1 : s->ofm.depth,
  };
}

/* ---- extents. Bases are below 2^40, strides below 2^39, counts below 2^20: all sums fit 2^62. */

static void add(edge_ethosu_accesses_t *all, uint32_t part, uint32_t index, uint32_t region,
                int64_t begin, int64_t end) {
  const bool written = part == EDGE_ETHOSU_PART_OFM || part == EDGE_ETHOSU_PART_DESTINATION;
  if (begin < end) {
    all->extent[all->count++] = (edge_ethosu_extent_t){
        begin, end, (uint16_t)region, (uint8_t)part, (uint8_t)index, written};
  }
}

static void add_range(edge_ethosu_accesses_t *all, uint32_t part, uint32_t index, uint32_t region,
                      uint64_t base, uint64_t bytes) {
  add(all, part, index, region, (int64_t)base, (int64_t)(base + bytes));
}

/* From the lowest to the highest of first + i * stride for i below count. */
typedef struct span {
  int64_t low;
  int64_t high;
} span_t;

static span_t along(span_t first, int64_t stride, uint32_t count) {
  const int64_t last = stride * (int64_t)(count - 1);
  return (span_t){first.low + (last < 0 ? last : 0), first.high + (last > 0 ? last : 0)};
}

/* Channels of one element: NHCWB16 has whole bricks before the last one. */
static span_t channels(const edge_ethosu_fm_t *fm, uint32_t depth, uint32_t bytes) {
  if (!edge_ethosu_is_nhcwb16(fm)) {
    return (span_t){0, (int64_t)depth * bytes};
  }
  const uint32_t bricks = (depth + BRICK - 1) / BRICK;
  const int64_t last = fm->stride_c * (int64_t)(bricks - 1);
  const int64_t end = last + (int64_t)(depth - (bricks - 1) * BRICK) * bytes;
  span_t all = {last < 0 ? last : 0, end};
  if (bricks > 1) {
    const span_t whole = along((span_t){0, (int64_t)(BRICK * bytes)}, fm->stride_c, bricks - 1);
    all.high = whole.high > end ? whole.high : end;
  }
  return all;
}

static void add_tile(edge_ethosu_accesses_t *all, const edge_ethosu_fm_t *fm, uint32_t part,
                     uint32_t tile, edge_ethosu_size_t size, uint32_t bytes) {
  const int64_t stride_x = edge_ethosu_is_nhcwb16(fm) ? (int64_t)(BRICK * bytes) : fm->stride_x;
  const span_t one = channels(fm, size.depth, bytes);
  const span_t span = along(along(one, stride_x, size.width), fm->stride_y, size.height);
  const int64_t base = (int64_t)fm->base[tile];
  add(all, part, tile, fm->region, base + span.low, base + span.high);
}

static void add_fm(edge_ethosu_accesses_t *all, const edge_ethosu_fm_t *fm, uint32_t part,
                   edge_ethosu_size_t size, uint32_t bytes) {
  const uint32_t left = smaller(size.width, fm->width0), right = size.width - left;
  for (uint32_t tile = 0; tile < 4; tile++) {
    const uint32_t split = tile % 2 == 0 ? fm->height0 : fm->height1;
    const uint32_t top = smaller(size.height, split);
    const edge_ethosu_size_t part_size = {tile < 2 ? top : size.height - top,
                                          tile % 2 == 0 ? left : right, size.depth};
    if (part_size.height > 0 && part_size.width > 0) {
      add_tile(all, fm, part, tile, part_size, bytes);
    }
  }
}

/* ---- operations */

static bool precision_ok(const edge_ethosu_fm_t *fm, uint32_t log_bytes) {
  return log_bytes <= WIDEST && (fm->precision >> 6 & 3) <= 1;
}

static bool add_lut(edge_ethosu_accesses_t *all, const edge_ethosu_state_t *s, uint32_t config) {
  const uint32_t function = s->activation & 31u;
  if (function < LUT_FUNCTION) {
    return function == 0 || function == ACTIVATION_TANH || function == ACTIVATION_SIGMOID;
  }
  static const uint16_t table_bytes[] = {256, 2048, 1024}; /* for 8, 16 and 32 bits */
  const uint32_t begin = (function - LUT_FUNCTION) * EDGE_ETHOSU_LUT_SLOT;
  const uint32_t bytes = table_bytes[s->ofm.precision >> 1 & 3];
  add_range(all, EDGE_ETHOSU_PART_LUT, 0, EDGE_ETHOSU_SHRAM,
            (uint64_t)edge_ethosu_shram_bytes(config) - EDGE_ETHOSU_LUT_BYTES + begin, bytes);
  return begin + bytes <= EDGE_ETHOSU_LUT_BYTES;
}

/* Every core takes every second channel, and has weights and scales of its own for them. */
static bool add_weights(edge_ethosu_accesses_t *all, const edge_ethosu_state_t *s,
                        uint32_t config) {
  const uint32_t cores = (uint32_t)s->parallel_mode + 1;
  if (cores > edge_ethosu_cores(config) || edge_ethosu_small_parts(s)) {
    return false; /* Vela emits no small parts */
  }
  for (uint32_t core = 0; core < cores; core++) {
    const uint32_t outputs = (s->ofm.depth + cores - 1 - core) / cores;
    if (outputs > 0 && (s->weight_length[core] == 0 ||
                        s->scale_length[core] < (uint64_t)outputs * EDGE_ETHOSU_SCALE_BYTES)) {
      return false;
    }
    add_range(all, EDGE_ETHOSU_PART_WEIGHTS, core, s->weight_region, s->weight_base[core],
              s->weight_length[core]);
    add_range(all, EDGE_ETHOSU_PART_SCALES, core, s->scale_region, s->scale_base[core],
              s->scale_length[core]);
  }
  return true;
}

/* Places that are written twice would hide behind a small extent. */
static bool ofm_is_apart(const edge_ethosu_accesses_t *all, const edge_ethosu_state_t *s) {
  uint64_t reached = 0;
  for (uint32_t i = 0; i < all->count; i++) {
    if (all->extent[i].written) {
      reached += (uint64_t)(all->extent[i].end - all->extent[i].begin);
    }
  }
  const uint64_t elements = (uint64_t)s->ofm.height * s->ofm.width * s->ofm.depth;
  return elements * edge_ethosu_ofm_bytes(&s->ofm) <= reached;
}

static bool mode_ok(const edge_ethosu_command_t *command) {
  return command->code == EDGE_ETHOSU_OP_POOL ? command->param <= EDGE_ETHOSU_POOL_REDUCE_SUM
         : command->code == EDGE_ETHOSU_OP_ELEMENTWISE ? command->param <= EDGE_ETHOSU_SHL
                                                       : true;
}

static edge_status_t block_accesses(const edge_ethosu_state_t *s,
                                    const edge_ethosu_command_t *command, uint32_t config,
                                    edge_ethosu_accesses_t *all) {
  const bool has_weights =
      command->code == EDGE_ETHOSU_OP_CONV || command->code == EDGE_ETHOSU_OP_DEPTHWISE;
  edge_ethosu_size_t ifm;
  if (!mode_ok(command) || !precision_ok(&s->ifm, s->ifm.precision >> 2 & 3) ||
      !precision_ok(&s->ofm, s->ofm.precision >> 1 & 3) || s->upscale > MOST_UPSCALE ||
      edge_ethosu_ifm_size(s, command, &ifm) != EDGE_OK || ifm.depth != s->ifm.depth) {
    return EDGE_NPU_STREAM; /* by which of two depths an NPU reads is not public */
  }
  add_fm(all, &s->ifm, EDGE_ETHOSU_PART_IFM, ifm, edge_ethosu_ifm_bytes(&s->ifm));
  if (edge_ethosu_has_ifm2(s, command)) {
    if (!precision_ok(&s->ifm2, s->ifm2.precision >> 2 & 3)) {
      return EDGE_NPU_STREAM;
    }
    add_fm(all, &s->ifm2, EDGE_ETHOSU_PART_IFM2, edge_ethosu_ifm2_size(s),
           edge_ethosu_ifm_bytes(&s->ifm2));
  }
  if (has_weights && !add_weights(all, s, config)) {
    return EDGE_NPU_STREAM;
  }
  const edge_ethosu_size_t ofm = {s->ofm.height, s->ofm.width, s->ofm.depth};
  add_fm(all, &s->ofm, EDGE_ETHOSU_PART_OFM, ofm, edge_ethosu_ofm_bytes(&s->ofm));
  return add_lut(all, s, config) && ofm_is_apart(all, s) ? EDGE_OK : EDGE_NPU_STREAM;
}

/* Transfers with strides are refused: Vela emits none, and what they mean is not public enough. */
static edge_status_t dma_accesses(const edge_ethosu_state_t *s, edge_ethosu_accesses_t *all) {
  const uint16_t registers[] = {s->dma_src_region, s->dma_dst_region};
  const uint64_t bases[] = {s->dma_src, s->dma_dst};
  for (uint32_t i = 0; i < 2; i++) {
    if (EDGE_ETHOSU_DMA_STRIDES(registers[i]) != 0) {
      return EDGE_NPU_STREAM;
    }
    const bool internal = (registers[i] & EDGE_ETHOSU_INTERNAL) != 0;
    const uint32_t region = internal ? EDGE_ETHOSU_SHRAM : registers[i] % EDGE_ETHOSU_REGIONS;
    add_range(all, EDGE_ETHOSU_PART_SOURCE + i, 0, region, bases[i], s->dma_length);
  }
  return EDGE_OK;
}

edge_status_t edge_ethosu_accesses(const edge_ethosu_state_t *state,
                                   const edge_ethosu_command_t *command, uint32_t config,
                                   edge_ethosu_accesses_t *accesses) {
  accesses->count = 0;
  switch (command->code) {
  case EDGE_ETHOSU_OP_CONV:
  case EDGE_ETHOSU_OP_DEPTHWISE:
  case EDGE_ETHOSU_OP_POOL:
  case EDGE_ETHOSU_OP_ELEMENTWISE:
    return block_accesses(state, command, config, accesses);
  case EDGE_ETHOSU_OP_DMA_START:
    return dma_accesses(state, accesses);
  default:
    return EDGE_OK;
  }
}

const edge_ethosu_extent_t *edge_ethosu_outside(const edge_ethosu_accesses_t *accesses,
                                                const uint64_t region_bytes[EDGE_ETHOSU_REGIONS],
                                                uint32_t config) {
  for (uint32_t i = 0; i < accesses->count; i++) {
    const edge_ethosu_extent_t *extent = &accesses->extent[i];
    const uint64_t bytes = extent->region == EDGE_ETHOSU_SHRAM ? edge_ethosu_shram_bytes(config)
                                                               : region_bytes[extent->region];
    if (extent->begin < 0 || (uint64_t)extent->end > bytes ||
        (extent->written && extent->region == 0)) {
      return extent;
    }
  }
  return NULL;
}

edge_status_t edge_ethosu_check_stream(const uint32_t *words, uint32_t count,
                                       const uint64_t region_bytes[EDGE_ETHOSU_REGIONS],
                                       uint32_t config) {
  const uint32_t product = edge_ethosu_product(config);
  if (product == 0) {
    return EDGE_NPU_CONFIG;
  }
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command;
  edge_ethosu_begin(&cursor, &state, words, count, product);
  for (;;) {
    edge_ethosu_accesses_t accesses;
    edge_status_t status = edge_ethosu_next(&cursor, &state, &command);
    if (status == EDGE_OK) {
      status = edge_ethosu_accesses(&state, &command, config, &accesses);
    }
    if (status != EDGE_OK) {
      return status;
    }
    if (command.code == EDGE_ETHOSU_OP_STOP) {
      return cursor.at == count ? EDGE_OK : EDGE_NPU_STREAM;
    }
    if (edge_ethosu_outside(&accesses, region_bytes, config) != NULL) {
      return EDGE_NPU_BOUNDS;
    }
  }
}
