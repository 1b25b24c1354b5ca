/* Waits, tables and alignment. */
#include "ethosu/hazards.h"

#include <stddef.h>

#define ALIGN 16
#define SMALL_SHRAM (16u * 1024u) /* of a core without memory of its own for tables */
#define ALL_TABLES 0xffu
#define WAIT_MASK 15u

static const edge_hazard_t nothing = {EDGE_HAZARD_NONE, 0, 0, 0};

void edge_hazards_begin(edge_hazards_t *h, uint32_t config) {
  h->config = config;
  h->transfer_count = h->kernel_count = 0;
  h->has_before = false;
  h->tables = 0;
  h->left = EDGE_HAZARD_STEPS;
}

static uint32_t most_transfers(uint32_t config) {
  return edge_ethosu_product(config) == EDGE_ETHOSU_U65 ? 2 : 1;
}

/* ---- conflicts */

static edge_hazard_t collide(const edge_ethosu_accesses_t *one,
                             const edge_hazard_operation_t *other, edge_hazard_kind_t kind) {
  for (uint32_t i = 0; i < one->count; i++) {
    const edge_ethosu_extent_t *a = &one->extent[i];
    for (uint32_t k = 0; k < other->accesses.count; k++) {
      const edge_ethosu_extent_t *b = &other->accesses.extent[k];
      if (a->region == b->region && (a->written || b->written) && a->begin < b->end &&
          b->begin < a->end) {
        const int64_t first = a->begin > b->begin ? a->begin : b->begin;
        return (edge_hazard_t){kind, other->at, a->region, first};
      }
    }
  }
  return nothing;
}

static edge_hazard_t collide_with_any(const edge_ethosu_accesses_t *one,
                                      const edge_hazard_operation_t *others, uint32_t count,
                                      edge_hazard_kind_t kind) {
  edge_hazard_t found = nothing;
  for (uint32_t i = 0; i < count && found.kind == EDGE_HAZARD_NONE; i++) {
    found = collide(one, &others[i], kind);
  }
  return found;
}

/* The oldest goes until `most` are left. */
static void drop(edge_hazard_operation_t *list, uint32_t *count, uint32_t most) {
  while (*count > most) {
    for (uint32_t i = 1; i < *count; i++) {
      list[i - 1] = list[i];
    }
    --*count;
  }
}

static void push(edge_hazard_operation_t *list, uint32_t *count, uint32_t most,
                 const edge_hazard_operation_t *one) {
  drop(list, count, most - 1);
  list[(*count)++] = *one;
}

/* ---- tables */

static bool uses_table(const edge_ethosu_accesses_t *accesses) {
  for (uint32_t i = 0; i < accesses->count; i++) {
    if (accesses->extent[i].part == EDGE_ETHOSU_PART_LUT) {
      return true;
    }
  }
  return false;
}

/* The tables that lie within (`whole`), or reach into, bytes of the SHRAM. */
static uint32_t tables_in(uint32_t config, int64_t begin, int64_t end, bool whole) {
  const int64_t first = (int64_t)edge_ethosu_shram_bytes(config) - EDGE_ETHOSU_LUT_BYTES;
  uint32_t found = 0;
  for (uint32_t i = 0; i < EDGE_ETHOSU_LUT_BYTES / EDGE_ETHOSU_LUT_SLOT; i++) {
    const int64_t from = first + (int64_t)(i * EDGE_ETHOSU_LUT_SLOT);
    const int64_t to = from + EDGE_ETHOSU_LUT_SLOT;
    found |= (whole ? from >= begin && to <= end : from < end && begin < to) ? 1u << i : 0;
  }
  return found;
}

/* Accumulators, as an extent: they take the memory of tables where a core has no other. */
static void add_accumulators(edge_ethosu_accesses_t *accesses, uint32_t config) {
  const int64_t bytes = edge_ethosu_shram_bytes(config);
  const bool spare = bytes > SMALL_SHRAM || uses_table(accesses);
  const int64_t end = spare ? bytes - EDGE_ETHOSU_LUT_BYTES : bytes;
  accesses->extent[accesses->count++] =
      (edge_ethosu_extent_t){0, end, EDGE_ETHOSU_SHRAM, EDGE_ETHOSU_PART_OFM, 0, true};
}

static edge_hazard_t check_table(const edge_hazards_t *h, const edge_ethosu_accesses_t *accesses,
                                 uint32_t at) {
  for (uint32_t i = 0; i < accesses->count; i++) {
    const edge_ethosu_extent_t *one = &accesses->extent[i];
    if (one->part == EDGE_ETHOSU_PART_LUT &&
        (tables_in(h->config, one->begin, one->end, false) & ~h->tables) != 0) {
      return (edge_hazard_t){EDGE_HAZARD_TABLE, at, EDGE_ETHOSU_SHRAM, one->begin};
    }
  }
  return nothing;
}

/* ---- alignment, as Vela's check_addresses, check_strides, generate_weights and check_dma_op */

static edge_hazard_t misaligned(uint32_t at, uint32_t region, int64_t address) {
  return (edge_hazard_t){EDGE_HAZARD_ALIGNMENT, at, region, address};
}

static bool fm_aligned(const edge_ethosu_fm_t *fm, uint32_t tile, uint32_t bytes) {
  const bool bricks = edge_ethosu_is_nhcwb16(fm);
  const int64_t align = bricks ? ALIGN : (int64_t)bytes;
  const int64_t across = bricks ? fm->stride_c : fm->stride_x;
  return (int64_t)fm->base[tile] % align == 0 && fm->stride_y % align == 0 && across % align == 0;
}

static bool extent_aligned(const edge_ethosu_state_t *s, const edge_ethosu_extent_t *one,
                           bool is_u65) {
  const int64_t length = one->end - one->begin;
  switch (one->part) {
  case EDGE_ETHOSU_PART_IFM:
    return fm_aligned(&s->ifm, one->index, edge_ethosu_ifm_bytes(&s->ifm));
  case EDGE_ETHOSU_PART_IFM2:
    return fm_aligned(&s->ifm2, one->index, edge_ethosu_ifm_bytes(&s->ifm2));
  case EDGE_ETHOSU_PART_OFM:
    return fm_aligned(&s->ofm, one->index, edge_ethosu_ofm_bytes(&s->ofm));
  case EDGE_ETHOSU_PART_WEIGHTS:
    return one->begin % ALIGN == 0 && length % ALIGN == 0;
  case EDGE_ETHOSU_PART_SCALES:
    return length % ALIGN == 0;
  case EDGE_ETHOSU_PART_SOURCE:
  case EDGE_ETHOSU_PART_DESTINATION:
    return (is_u65 && one->region != EDGE_ETHOSU_SHRAM) ||
           (one->begin % ALIGN == 0 && length % ALIGN == 0);
  default:
    return true;
  }
}

static edge_hazard_t check_alignment(const edge_hazards_t *h, const edge_ethosu_state_t *state,
                                     const edge_ethosu_accesses_t *accesses, uint32_t at) {
  const bool is_u65 = edge_ethosu_product(h->config) == EDGE_ETHOSU_U65;
  for (uint32_t i = 0; i < accesses->count; i++) {
    const edge_ethosu_extent_t *one = &accesses->extent[i];
    if (!extent_aligned(state, one, is_u65)) {
      return misaligned(at, one->region, one->begin);
    }
  }
  return nothing;
}

/* ---- commands */

static edge_hazard_t transfer(edge_hazards_t *h, const edge_hazard_operation_t *one) {
  edge_hazard_t found =
      collide_with_any(&one->accesses, h->kernels, h->kernel_count, EDGE_HAZARD_KERNEL);
  if (found.kind == EDGE_HAZARD_NONE) {
    found = collide_with_any(&one->accesses, h->transfers, h->transfer_count, EDGE_HAZARD_TRANSFER);
  }
  for (uint32_t i = 0; i < one->accesses.count; i++) {
    const edge_ethosu_extent_t *extent = &one->accesses.extent[i];
    if (extent->written && extent->region == EDGE_ETHOSU_SHRAM) {
      h->tables &= ~tables_in(h->config, extent->begin, extent->end, false);
      h->tables |= tables_in(h->config, extent->begin, extent->end, true);
    }
  }
  push(h->transfers, &h->transfer_count, most_transfers(h->config), one);
  return found;
}

static edge_hazard_t kernel(edge_hazards_t *h, const edge_ethosu_state_t *state,
                            const edge_ethosu_command_t *command, edge_hazard_operation_t *one) {
  edge_hazard_t found = edge_hazard_of_blocks(h, state, command, &one->accesses);
  add_accumulators(&one->accesses, h->config);
  const edge_hazard_t waiting =
      collide_with_any(&one->accesses, h->transfers, h->transfer_count, EDGE_HAZARD_TRANSFER);
  found = waiting.kind != EDGE_HAZARD_NONE ? waiting : found;
  if (found.kind == EDGE_HAZARD_NONE) {
    found = check_table(h, &one->accesses, command->at);
  }
  const bool spoils = edge_ethosu_shram_bytes(h->config) <= SMALL_SHRAM;
  h->tables &= spoils && !uses_table(&one->accesses) ? ~ALL_TABLES : ALL_TABLES;
  push(h->kernels, &h->kernel_count, EDGE_HAZARD_KERNELS, one);
  h->before = *state;
  h->before_command = *command;
  h->has_before = true;
  return found;
}

edge_hazard_t edge_hazards_next(edge_hazards_t *h, const edge_ethosu_state_t *state,
                                const edge_ethosu_command_t *command,
                                const edge_ethosu_accesses_t *accesses) {
  edge_hazard_operation_t one = {*accesses, command->at};
  edge_hazard_t found = nothing;
  switch (command->code) {
  case EDGE_ETHOSU_OP_DMA_WAIT:
    drop(h->transfers, &h->transfer_count, command->param & WAIT_MASK);
    return nothing;
  case EDGE_ETHOSU_OP_KERNEL_WAIT:
    drop(h->kernels, &h->kernel_count, command->param & WAIT_MASK);
    h->has_before = h->has_before && h->kernel_count > 0;
    return nothing;
  case EDGE_ETHOSU_OP_DMA_START:
    found = transfer(h, &one);
    break;
  case EDGE_ETHOSU_OP_CONV:
  case EDGE_ETHOSU_OP_DEPTHWISE:
  case EDGE_ETHOSU_OP_POOL:
  case EDGE_ETHOSU_OP_ELEMENTWISE:
    found = kernel(h, state, command, &one);
    break;
  default:
    return nothing;
  }
  const edge_hazard_t crooked = check_alignment(h, state, accesses, command->at);
  return crooked.kind != EDGE_HAZARD_NONE ? crooked : found;
}
