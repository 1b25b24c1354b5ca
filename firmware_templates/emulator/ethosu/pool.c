/* Maximum, average and sum over channels. */
#include <string.h>

#include "ethosu/job.h"

#define MOST_SUMMED (1u << 29) /* 32-bit elements, less their zero point, that 64 bits can sum */

typedef struct pooling {
  edge_ethosu_t *npu;
  edge_emu_fm_t ifm;
  edge_emu_output_t output;
  edge_emu_window_t window;
  uint32_t mode;
  bool by_count; /* the average over the taps inside the input, not by OFM_SCALE */
} pooling_t;

static int64_t average(int64_t sum, int64_t count) {
  return sum >= 0 ? (sum + count / 2) / count : -((-sum + count / 2) / count);
}

static void take_tap(const pooling_t *p, uint32_t count, const int64_t *loaded, int64_t *sums) {
  for (uint32_t i = 0; i < count; i++) {
    if (p->mode != EDGE_ETHOSU_POOL_MAX) {
      sums[i] += loaded[i];
    } else if (loaded[i] > sums[i]) {
      sums[i] = loaded[i];
    }
  }
}

/* Channels c to c + count - 1 of a window, reduced by element; inside: the taps in the input. */
static bool reduce(const pooling_t *p, uint32_t y, uint32_t x, uint32_t c, uint32_t count,
                   int64_t *sums, uint32_t *inside) {
  int64_t loaded[EDGE_EMU_CHANNELS];
  for (uint32_t i = 0; i < count; i++) {
    sums[i] = p->mode == EDGE_ETHOSU_POOL_MAX ? EDGE_EMU_SMALLEST : 0;
  }
  *inside = 0;
  for (uint32_t i = 0; i < p->window.taps_y; i++) {
    for (uint32_t j = 0; j < p->window.taps_x; j++) {
      uint32_t row;
      uint32_t column;
      edge_emu_tap_t tap = edge_emu_find_tap(&p->window, y, x, i, j, &row, &column);
      if (tap == EDGE_EMU_OUTSIDE) {
        continue;
      }
      *inside += 1u;
      if (tap == EDGE_EMU_ZERO) {
        memset(loaded, 0, sizeof loaded);
      } else if (!edge_emu_load(&p->ifm, row, column, c, count, loaded)) {
        return false;
      }
      take_tap(p, count, loaded, sums);
    }
  }
  return true;
}

static bool pool_element(const pooling_t *p, uint32_t y, uint32_t x) {
  int64_t sums[EDGE_EMU_CHANNELS];
  uint32_t inside;
  uint32_t depth = p->output.fm.fm->depth;
  for (uint32_t c = 0; c < depth; c += EDGE_EMU_CHANNELS) {
    uint32_t count = depth - c < EDGE_EMU_CHANNELS ? depth - c : EDGE_EMU_CHANNELS;
    if (!reduce(p, y, x, c, count, sums, &inside)) {
      return false;
    }
    for (uint32_t i = 0; i < count && p->by_count && inside > 0u; i++) {
      sums[i] = average(sums[i], inside);
    }
    edge_emu_finish(&p->output, 0, count, sums);
    if (!edge_emu_store(&p->output.fm, y, x, c, 1, count, sums)) {
      return false;
    }
  }
  return true;
}

static bool sum_element(const pooling_t *p, uint32_t y, uint32_t x) {
  int64_t sums[EDGE_EMU_CHANNELS];
  int64_t sum = 0;
  uint32_t inside;
  uint32_t depth = p->npu->state.ifm.depth;
  for (uint32_t c = 0; c < depth; c += EDGE_EMU_CHANNELS) {
    uint32_t count = depth - c < EDGE_EMU_CHANNELS ? depth - c : EDGE_EMU_CHANNELS;
    if (!reduce(p, y, x, c, count, sums, &inside)) {
      return false;
    }
    for (uint32_t i = 0; i < count; i++) {
      sum += sums[i];
    }
  }
  edge_emu_finish(&p->output, 0, 1, &sum);
  return edge_emu_store(&p->output.fm, y, x, 0, 1, 1, &sum);
}

/* Where no OFM_SCALE says by what, an average is over the taps that lie inside the input. */
static bool averages_by_count(const edge_ethosu_state_t *s) {
  bool scaled = (s->ofm.precision >> 8 & 1) != 0;
  bool padded = (s->pad_top | s->pad_left | s->pad_right | s->pad_bottom) != 0;
  return !scaled || (padded && s->ofm_scale.multiplier <= 1u && s->ofm_scale.shift == 0u);
}

bool edge_emu_pool(edge_ethosu_t *npu, uint32_t mode) {
  const edge_ethosu_state_t *s = &npu->state;
  pooling_t p = {.npu = npu, .mode = mode};
  p.by_count = mode == EDGE_ETHOSU_POOL_AVERAGE && averages_by_count(s);
  bool sums = mode == EDGE_ETHOSU_POOL_REDUCE_SUM;
  if (mode > EDGE_ETHOSU_POOL_REDUCE_SUM || s->upscale > 2u || (sums && s->ofm.depth != 1u)) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, s->ifm.region, s->ifm.base[0]);
  }
  if (!edge_emu_open_ifm(npu, &s->ifm, &p.ifm) ||
      !edge_emu_open_output(npu, !p.by_count, &p.output)) {
    return false;
  }
  edge_emu_open_window(s, &p.window);
  uint64_t taps = (uint64_t)p.window.taps_y * p.window.taps_x;
  uint32_t depth = sums ? s->ifm.depth : s->ofm.depth;
  uint64_t summed = taps * (sums ? depth : 1u);
  if (!edge_emu_spend_taps(npu, summed)) {
    return false;
  }
  if (p.ifm.bytes == 4u && summed > MOST_SUMMED) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_WORK, s->ifm.region, s->ifm.base[0]);
  }
  for (uint32_t y = 0; y < s->ofm.height; y++) {
    for (uint32_t x = 0; x < s->ofm.width; x++) {
      if (!(sums ? sum_element(&p, y, x) : pool_element(&p, y, x))) {
        return false;
      }
    }
  }
  edge_emu_count(npu, s->ifm.region, edge_emu_input_bytes(&p.window, depth, p.ifm.bytes), false);
  return true;
}
