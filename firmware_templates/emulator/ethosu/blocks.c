/* Block dependencies: whether an operation reads blocks that the one before it still writes. */
#include <stddef.h>

#include "ethosu/hazards.h"

#define BRICK 16u
#define SMALL_SHRAM (16u * 1024u)
#define IFM_BLOCK_BITS 256u /* of channels that a convolution takes at once, 8 bits: 32 of them */
#define PART_KERNEL_CHANNELS 16u
#define CHANNELS_AT_ONCE 8u

static const edge_hazard_t nothing = {EDGE_HAZARD_NONE, 0, 0, 0};

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t divided_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

/* Part of a feature map, its ends excluded. */
typedef struct box {
  uint32_t y, x, c;
  uint32_t end_y, end_x, end_c;
} box_t;

typedef struct place {
  const edge_ethosu_fm_t *fm;
  uint32_t bytes;
  box_t box;
} place_t;

static bool is_empty(const box_t *box) {
  return box->y >= box->end_y || box->x >= box->end_x || box->c >= box->end_c;
}

/* ---- whether two places share a byte */

static int64_t address(const place_t *p, uint32_t y, uint32_t x, uint32_t c) {
  const edge_ethosu_fm_t *fm = p->fm;
  const uint32_t right = x >= fm->width0 ? 1 : 0;
  const uint32_t split = right != 0 ? fm->height1 : fm->height0;
  const uint32_t below = y >= split ? 1 : 0;
  const int64_t row = (int64_t)(y - below * split), column = (int64_t)(x - right * fm->width0);
  const int64_t base = (int64_t)fm->base[right + 2 * below] + row * fm->stride_y;
  if (edge_ethosu_is_nhcwb16(fm)) {
    return base + column * (int64_t)(BRICK * p->bytes) + (int64_t)(c / BRICK) * fm->stride_c +
           (int64_t)(c % BRICK * p->bytes);
  }
  return base + column * fm->stride_x + (int64_t)(c * p->bytes);
}

/* Channels from c on that lie one behind the other. */
static uint32_t run_end(const place_t *p, uint32_t c) {
  return edge_ethosu_is_nhcwb16(p->fm) ? smaller(p->box.end_c, (c / BRICK + 1) * BRICK)
                                       : p->box.end_c;
}

/* Also true, with nothing left, where that many steps are too many. */
static bool meets_run(const place_t *p, int64_t begin, int64_t end, int64_t *first,
                      uint64_t *left) {
  for (uint32_t y = p->box.y; y < p->box.end_y; y++) {
    for (uint32_t x = p->box.x; x < p->box.end_x; x++) {
      for (uint32_t c = p->box.c; c < p->box.end_c; c = run_end(p, c)) {
        if (*left == 0) {
          return true;
        }
        --*left;
        const int64_t from = address(p, y, x, c);
        const int64_t to = from + (int64_t)((run_end(p, c) - c) * p->bytes);
        if (from < end && begin < to) {
          *first = from > begin ? from : begin;
          return true;
        }
      }
    }
  }
  return false;
}

static bool same_layout(const place_t *a, const place_t *b) {
  const edge_ethosu_fm_t *m = a->fm, *n = b->fm;
  bool same = a->bytes == b->bytes && edge_ethosu_is_nhcwb16(m) == edge_ethosu_is_nhcwb16(n) &&
              m->stride_x == n->stride_x && m->stride_y == n->stride_y &&
              m->stride_c == n->stride_c && m->width0 == n->width0 && m->height0 == n->height0 &&
              m->height1 == n->height1;
  for (uint32_t i = 0; i < 4; i++) {
    same = same && m->base[i] == n->base[i];
  }
  return same;
}

static bool meet(const place_t *a, const place_t *b, int64_t *first, uint64_t *left) {
  if (is_empty(&a->box) || is_empty(&b->box) || a->fm->region != b->fm->region) {
    return false;
  }
  if (same_layout(a, b)) {
    const box_t both = {larger(a->box.y, b->box.y),          larger(a->box.x, b->box.x),
                        larger(a->box.c, b->box.c),          smaller(a->box.end_y, b->box.end_y),
                        smaller(a->box.end_x, b->box.end_x), smaller(a->box.end_c, b->box.end_c)};
    *first = is_empty(&both) ? 0 : address(a, both.y, both.x, both.c);
    return !is_empty(&both);
  }
  for (uint32_t y = a->box.y; y < a->box.end_y; y++) {
    for (uint32_t x = a->box.x; x < a->box.end_x; x++) {
      for (uint32_t c = a->box.c; c < a->box.end_c; c = run_end(a, c)) {
        const int64_t from = address(a, y, x, c);
        if (meets_run(b, from, from + (int64_t)((run_end(a, c) - c) * a->bytes), first, left)) {
          return true;
        }
      }
    }
  }
  return false;
}

/* ---- jobs */

/* Block `index` of an output: channels first, then columns, then rows; empty behind the last. */
static box_t ofm_block(const edge_ethosu_state_t *s, uint32_t index, uint32_t *count) {
  const uint32_t deep = divided_up(s->ofm.depth, s->block_depth);
  const uint32_t wide = divided_up(s->ofm.width, s->block_width);
  const uint32_t high = divided_up(s->ofm.height, s->block_height);
  const uint64_t all = (uint64_t)deep * wide * high;
  *count = all > UINT32_MAX ? UINT32_MAX : (uint32_t)all;
  if (index >= *count) {
    return (box_t){0};
  }
  const uint32_t c = index % deep * s->block_depth;
  const uint32_t x = index / deep % wide * s->block_width;
  const uint32_t y = index / deep / wide * s->block_height;
  return (box_t){y,
                 x,
                 c,
                 smaller(y + s->block_height, s->ofm.height),
                 smaller(x + s->block_width, s->ofm.width),
                 smaller(c + s->block_depth, s->ofm.depth)};
}

/* Input from `begin` to below `end` of outputs, on one axis. */
static void window(uint32_t *begin, uint32_t *end, uint32_t stride, uint32_t kernel, uint32_t pad,
                   uint32_t upscale, uint32_t size) {
  const uint32_t first = *begin * stride, last = (*end - 1) * stride + kernel;
  const uint32_t shift = upscale != 0 ? 1 : 0;
  *begin = smaller(first > pad ? (first - pad) >> shift : 0, size);
  *end = smaller(last > pad ? (last - pad + shift) >> shift : 0, size);
}

/* Convolutions and sums over channels take some at once, all others those of their outputs. */
static bool sums_channels(const edge_ethosu_command_t *command) {
  return command->code == EDGE_ETHOSU_OP_CONV ||
         (command->code == EDGE_ETHOSU_OP_POOL && command->param == EDGE_ETHOSU_POOL_REDUCE_SUM);
}

static uint32_t channels_at_once(const edge_ethosu_state_t *s, uint32_t depth) {
  const uint32_t most = IFM_BLOCK_BITS / (8 * edge_ethosu_ifm_bytes(&s->ifm));
  const uint32_t at_once = edge_ethosu_part_kernel(s) ? smaller(most, PART_KERNEL_CHANNELS) : most;
  return smaller(at_once, divided_up(depth, CHANNELS_AT_ONCE) * CHANNELS_AT_ONCE);
}

/* What job `index` of an operation reads of its IFM; false behind the last one. */
static bool ifm_of_job(const edge_ethosu_state_t *s, const edge_ethosu_command_t *command,
                       const edge_ethosu_size_t *size, uint32_t index, box_t *box) {
  const uint32_t step = channels_at_once(s, size->depth);
  const uint32_t parts = sums_channels(command) ? divided_up(size->depth, step) : 1;
  uint32_t count;
  *box = ofm_block(s, index / parts, &count);
  if (index / parts >= count) {
    return false;
  }
  if (sums_channels(command)) {
    box->c = index % parts * step;
    box->end_c = smaller(box->c + step, size->depth);
  }
  if (command->code != EDGE_ETHOSU_OP_ELEMENTWISE) {
    window(&box->y, &box->end_y, edge_ethosu_stride_y(s), s->kernel_height, s->pad_top, s->upscale,
           size->height);
    window(&box->x, &box->end_x, edge_ethosu_stride_x(s), s->kernel_width, s->pad_left, s->upscale,
           size->width);
  }
  return true;
}

/* The same of IFM2: one where it is broadcast. */
static box_t ifm2_of(const edge_ethosu_state_t *s, box_t box) {
  if ((s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_H) != 0) {
    box.y = 0, box.end_y = 1;
  }
  if ((s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_W) != 0) {
    box.x = 0, box.end_x = 1;
  }
  if ((s->ifm2_broadcast & EDGE_ETHOSU_BROADCAST_C) != 0) {
    box.c = 0, box.end_c = 1;
  }
  return box;
}

/* What the operation reads of where the one before writes: a feature map, or anything else. */
static const edge_ethosu_extent_t *
read_of_written(const edge_hazards_t *h, const edge_ethosu_accesses_t *accesses, bool map) {
  const edge_ethosu_accesses_t *before = &h->kernels[h->kernel_count - 1].accesses;
  for (uint32_t i = 0; i < accesses->count; i++) {
    const edge_ethosu_extent_t *a = &accesses->extent[i];
    const bool is_map = a->part == EDGE_ETHOSU_PART_IFM || a->part == EDGE_ETHOSU_PART_IFM2;
    for (uint32_t k = 0; k < before->count && !a->written && is_map == map; k++) {
      const edge_ethosu_extent_t *b = &before->extent[k];
      if (b->written && a->region == b->region && a->begin < b->end && b->begin < a->end) {
        return a;
      }
    }
  }
  return NULL;
}

static bool has_table(const edge_ethosu_state_t *s) { return (s->activation & 16u) != 0; }

edge_hazard_t edge_hazard_of_blocks(edge_hazards_t *h, const edge_ethosu_state_t *s,
                                    const edge_ethosu_command_t *command,
                                    const edge_ethosu_accesses_t *accesses) {
  const uint32_t most = s->blockdep;
  if (!h->has_before || most == 0) {
    return nothing;
  }
  edge_hazard_t found = {EDGE_HAZARD_BLOCKDEP, h->before_command.at, EDGE_ETHOSU_SHRAM, 0};
  if (edge_ethosu_shram_bytes(h->config) <= SMALL_SHRAM && has_table(&h->before) && !has_table(s)) {
    found.address = (int64_t)edge_ethosu_shram_bytes(h->config) - EDGE_ETHOSU_LUT_BYTES;
    return found;
  }
  const edge_ethosu_extent_t *other = read_of_written(h, accesses, false);
  if (other != NULL) {
    found.region = other->region;
    found.address = other->begin;
    return found;
  }
  edge_ethosu_size_t size;
  if (read_of_written(h, accesses, true) == NULL ||
      edge_ethosu_ifm_size(s, command, &size) != EDGE_OK) {
    return nothing;
  }
  const bool second = edge_ethosu_has_ifm2(s, command);
  for (uint32_t i = 0; i < most; i++) {
    place_t reads[2] = {{&s->ifm, edge_ethosu_ifm_bytes(&s->ifm), {0}},
                        {&s->ifm2, edge_ethosu_ifm_bytes(&s->ifm2), {0}}};
    if (!ifm_of_job(s, command, &size, i, &reads[0].box)) {
      break;
    }
    reads[1].box = ifm2_of(s, reads[0].box);
    for (uint32_t k = 0; i + k < most; k++) {
      uint32_t count;
      (void)ofm_block(&h->before, 0, &count);
      if (k >= count) {
        break;
      }
      const place_t written = {&h->before.ofm, edge_ethosu_ofm_bytes(&h->before.ofm),
                               ofm_block(&h->before, count - 1 - k, &count)};
      if (meet(&reads[0], &written, &found.address, &h->left) ||
          (second && meet(&reads[1], &written, &found.address, &h->left))) {
        found.region = written.fm->region;
        return found;
      }
    }
  }
  return nothing;
}
