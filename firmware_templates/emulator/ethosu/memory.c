/* Memory as the NPU reaches it: windows, feature maps in tiles and bricks, transfers. */
#include <stddef.h>
#include <string.h>

#include "ethosu/job.h"

#define BRICK 16u
#define REGION_MASK (EDGE_ETHOSU_REGIONS - 1u)

bool edge_emu_fail(edge_ethosu_t *npu, edge_ethosu_fault_kind_t kind, uint32_t region,
                   uint64_t address) {
  npu->fault.kind = (uint32_t)kind;
  npu->fault.region = region;
  npu->fault.address = address;
  return false;
}

static uint8_t *find(edge_ethosu_t *npu, uint64_t address, uint64_t bytes, bool write) {
  for (uint32_t i = 0; i < npu->window_count; i++) {
    const edge_ethosu_window_t *window = &npu->windows[i];
    uint64_t offset = address - window->base;
    if (offset < window->bytes && bytes <= window->bytes - offset &&
        (!write || window->writable != 0)) {
      return window->data + offset;
    }
  }
  return NULL;
}

const uint8_t *edge_emu_source(edge_ethosu_t *npu, uint32_t region, uint64_t offset,
                               uint64_t bytes) {
  const uint8_t *data = find(npu, npu->base[region & REGION_MASK] + offset, bytes, false);
  if (data == NULL) {
    (void)edge_emu_fail(npu, EDGE_ETHOSU_FAULT_READ, region, offset);
  }
  return data;
}

uint8_t *edge_emu_target(edge_ethosu_t *npu, uint32_t region, uint64_t offset, uint64_t bytes) {
  uint8_t *data = find(npu, npu->base[region & REGION_MASK] + offset, bytes, true);
  if (data == NULL) {
    (void)edge_emu_fail(npu, EDGE_ETHOSU_FAULT_WRITE, region, offset);
  }
  return data;
}

bool edge_emu_open_ifm(edge_ethosu_t *npu, const edge_ethosu_fm_t *fm, edge_emu_fm_t *out) {
  *out = (edge_emu_fm_t){npu,
                         fm,
                         edge_ethosu_ifm_bytes(fm),
                         edge_ethosu_is_nhcwb16(fm),
                         edge_ethosu_is_signed(fm),
                         edge_ethosu_zero_point(fm)};
  return out->bytes <= 4u || edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, fm->region, 0);
}

bool edge_emu_open_ofm(edge_ethosu_t *npu, edge_emu_fm_t *out) {
  const edge_ethosu_fm_t *fm = &npu->state.ofm;
  *out = (edge_emu_fm_t){npu,
                         fm,
                         edge_ethosu_ofm_bytes(fm),
                         edge_ethosu_is_nhcwb16(fm),
                         edge_ethosu_is_signed(fm),
                         edge_ethosu_zero_point(fm)};
  return out->bytes <= 4u || edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, fm->region, 0);
}

/* Offset in the region of channel c of an element. */
static uint64_t offset_of(const edge_emu_fm_t *view, uint32_t y, uint32_t x, uint32_t c) {
  const edge_ethosu_fm_t *fm = view->fm;
  bool right = x >= fm->width0;
  uint32_t parting = right ? fm->height1 : fm->height0;
  bool bottom = y >= parting;
  uint32_t rows = y - (bottom ? parting : 0u);
  uint32_t columns = x - (right ? fm->width0 : 0u);
  uint64_t row = fm->base[(bottom ? 2u : 0u) + (right ? 1u : 0u)] + rows * (uint64_t)fm->stride_y;
  if (!view->bricks) {
    return row + columns * (uint64_t)fm->stride_x + (uint64_t)c * view->bytes;
  }
  return row + ((uint64_t)columns * BRICK + c % BRICK) * view->bytes +
         (c / BRICK) * (uint64_t)fm->stride_c;
}

/* Channels from c on that lie side by side. */
static uint32_t run_from(const edge_emu_fm_t *view, uint32_t c, uint32_t count) {
  uint32_t run = view->bricks ? BRICK - c % BRICK : count;
  return run < count ? run : count;
}

static int64_t element(const uint8_t *data, uint32_t bytes, bool is_signed) {
  if (bytes == 1u) {
    return is_signed ? (int8_t)data[0] : (int64_t)data[0];
  }
  if (bytes == 2u) {
    uint16_t half;
    memcpy(&half, data, sizeof half);
    return is_signed ? (int16_t)half : (int64_t)half;
  }
  uint32_t word;
  memcpy(&word, data, sizeof word);
  return is_signed ? (int32_t)word : (int64_t)word;
}

bool edge_emu_load(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t c, uint32_t count,
                   int64_t *out) {
  while (count > 0u) {
    uint32_t run = run_from(fm, c, count);
    const uint8_t *data =
        edge_emu_source(fm->npu, fm->fm->region, offset_of(fm, y, x, c), (uint64_t)run * fm->bytes);
    if (data == NULL) {
      return false;
    }
    for (uint32_t i = 0; i < run; i++) {
      out[i] = element(data + (size_t)i * fm->bytes, fm->bytes, fm->is_signed) - fm->zero;
    }
    out += run;
    c += run;
    count -= run;
  }
  return true;
}

static void widen(const uint8_t *data, bool is_signed, int32_t zero, uint32_t count, int16_t *out) {
  if (is_signed) {
    for (uint32_t i = 0; i < count; i++) {
      out[i] = (int16_t)((int8_t)data[i] - zero);
    }
  } else {
    for (uint32_t i = 0; i < count; i++) {
      out[i] = (int16_t)(data[i] - zero);
    }
  }
}

bool edge_emu_load16(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t count,
                     int16_t *out) {
  uint32_t c = 0;
  while (c < count) {
    uint32_t run = run_from(fm, c, count - c);
    const uint8_t *data =
        edge_emu_source(fm->npu, fm->fm->region, offset_of(fm, y, x, c), (uint64_t)run * fm->bytes);
    if (data == NULL) {
      return false;
    }
    if (fm->bytes == 2u) {
      memcpy(&out[c], data, run * sizeof out[0]);
    } else {
      widen(data, fm->is_signed, fm->zero, run, &out[c]);
    }
    c += run;
  }
  return true;
}

static void put(uint8_t *data, uint32_t bytes, int64_t value) {
  uint32_t word = (uint32_t)value;
  for (uint32_t i = 0; i < bytes; i++) {
    data[i] = (uint8_t)(word >> (8u * i));
  }
}

bool edge_emu_store(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t c, uint32_t step,
                    uint32_t count, const int64_t *values) {
  while (count > 0u) {
    uint32_t run = step == 1u ? run_from(fm, c, count) : 1u;
    uint8_t *data =
        edge_emu_target(fm->npu, fm->fm->region, offset_of(fm, y, x, c), (uint64_t)run * fm->bytes);
    if (data == NULL) {
      return false;
    }
    for (uint32_t i = 0; i < run; i++) {
      put(data + (size_t)i * fm->bytes, fm->bytes, values[i]);
    }
    values += run;
    c += run * step;
    count -= run;
  }
  return true;
}

void edge_emu_open_window(const edge_ethosu_state_t *state, edge_emu_window_t *window) {
  window->stride_x = edge_ethosu_stride_x(state);
  window->stride_y = edge_ethosu_stride_y(state);
  window->step_x = edge_ethosu_dilation_x(state);
  window->step_y = edge_ethosu_dilation_y(state);
  window->taps_x = (state->kernel_width - 1u) / window->step_x + 1u;
  window->taps_y = (state->kernel_height - 1u) / window->step_y + 1u;
  window->pad_top = state->pad_top;
  window->pad_left = state->pad_left;
  window->upscale = state->upscale;
  window->height = (int64_t)(state->ofm.height - 1u) * window->stride_y + state->kernel_height -
                   state->pad_top - state->pad_bottom;
  window->width = (int64_t)(state->ofm.width - 1u) * window->stride_x + state->kernel_width -
                  state->pad_left - state->pad_right;
}

edge_emu_tap_t edge_emu_find_tap(const edge_emu_window_t *window, uint32_t out_y, uint32_t out_x,
                                 uint32_t tap_y, uint32_t tap_x, uint32_t *y, uint32_t *x) {
  int64_t row = (int64_t)out_y * window->stride_y + tap_y * window->step_y - window->pad_top;
  int64_t column = (int64_t)out_x * window->stride_x + tap_x * window->step_x - window->pad_left;
  if (row < 0 || row >= window->height || column < 0 || column >= window->width) {
    return EDGE_EMU_OUTSIDE;
  }
  uint32_t shift = window->upscale != 0u ? 1u : 0u;
  *y = (uint32_t)row >> shift;
  *x = (uint32_t)column >> shift;
  return window->upscale == 2u && ((row | column) & 1) != 0 ? EDGE_EMU_ZERO : EDGE_EMU_INSIDE;
}

uint64_t edge_emu_input_bytes(const edge_emu_window_t *window, uint32_t depth, uint32_t bytes) {
  uint32_t shift = window->upscale != 0u ? 1u : 0u;
  uint64_t rows = window->height > 0 ? ((uint64_t)window->height + shift) >> shift : 0u;
  uint64_t columns = window->width > 0 ? ((uint64_t)window->width + shift) >> shift : 0u;
  return rows * columns * depth * bytes;
}

bool edge_emu_spend(edge_ethosu_t *npu, uint64_t count, uint64_t each) {
  if (each > 0u && count > npu->left / each) {
    const edge_ethosu_fm_t *ofm = &npu->state.ofm;
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_WORK, ofm->region, ofm->base[0]);
  }
  npu->left -= count * each;
  return true;
}

bool edge_emu_spend_taps(edge_ethosu_t *npu, uint64_t taps) {
  const edge_ethosu_fm_t *ofm = &npu->state.ofm;
  return edge_emu_spend(npu, (uint64_t)ofm->width * ofm->height * ofm->depth, taps);
}

typedef struct transfer {
  uint64_t length; /* of a row */
  uint64_t rows;
  uint64_t planes;
  uint64_t row_step;
  uint64_t plane_step;
} transfer_t;

/* One side of a transfer: packed, or in rows and planes that lie apart. */
static transfer_t side(const edge_ethosu_state_t *s, uint32_t own, uint32_t dimensions) {
  transfer_t t = {s->dma_length, 1, 1, s->dma_length, 0};
  if (dimensions >= 1u) {
    t.rows = s->dma_size0;
  }
  if (dimensions >= 2u) {
    t.planes = s->dma_size1;
  }
  if (own >= 1u) {
    t.row_step = t.length + (uint64_t)s->dma_skip0;
  }
  t.plane_step = t.row_step * t.rows + (own >= 2u ? (uint64_t)s->dma_skip1 : 0u);
  return t;
}

static bool move(edge_ethosu_t *npu, uint64_t from, uint64_t to, uint64_t bytes) {
  const edge_ethosu_state_t *s = &npu->state;
  const uint8_t *source = edge_emu_source(npu, s->dma_src_region, from, bytes);
  if (source == NULL) {
    return false;
  }
  uint8_t *target = NULL;
  if ((s->dma_dst_region & EDGE_ETHOSU_INTERNAL) == 0u) {
    target = edge_emu_target(npu, s->dma_dst_region, to, bytes);
  } else if (to < npu->shram_bytes && bytes <= npu->shram_bytes - to) {
    target = &npu->shram[to];
  } else {
    (void)edge_emu_fail(npu, EDGE_ETHOSU_FAULT_WRITE, s->dma_dst_region, to);
  }
  if (target == NULL) {
    return false;
  }
  memmove(target, source, (size_t)bytes);
  edge_emu_count(npu, s->dma_src_region, bytes, false);
  if ((s->dma_dst_region & EDGE_ETHOSU_INTERNAL) == 0u) {
    edge_emu_count(npu, s->dma_dst_region, bytes, true);
  }
  return true;
}

bool edge_emu_transfer(edge_ethosu_t *npu) {
  const edge_ethosu_state_t *s = &npu->state;
  uint32_t source_strides = EDGE_ETHOSU_DMA_STRIDES(s->dma_src_region);
  uint32_t target_strides = EDGE_ETHOSU_DMA_STRIDES(s->dma_dst_region);
  uint32_t dimensions = source_strides > target_strides ? source_strides : target_strides;
  if ((s->dma_src_region & EDGE_ETHOSU_INTERNAL) != 0u || dimensions > 2u) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, s->dma_src_region, s->dma_src);
  }
  transfer_t source = side(s, source_strides, dimensions);
  transfer_t target = side(s, target_strides, dimensions);
  if (s->dma_length == 0u || source.rows * source.planes == 0u) {
    return true;
  }
  if (!edge_emu_spend(npu, source.rows * source.planes, s->dma_length)) {
    return false;
  }
  for (uint64_t plane = 0; plane < source.planes; plane++) {
    for (uint64_t row = 0; row < source.rows; row++) {
      if (!move(npu, s->dma_src + plane * source.plane_step + row * source.row_step,
                s->dma_dst + plane * target.plane_step + row * target.row_step, s->dma_length)) {
        return false;
      }
    }
  }
  return true;
}
