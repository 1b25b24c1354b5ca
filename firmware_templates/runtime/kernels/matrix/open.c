/* What a packed matrix must satisfy, where its parts lie, and the walk over its panels. */
#include <string.h>

#include "matrix.h"

#if defined(__ARM_FEATURE_MVE)
#define EDGE_OWN_TILE EDGE_TILE_8X16
#elif defined(__ARM_FEATURE_DSP)
#define EDGE_OWN_TILE EDGE_TILE_4X4
#else
#define EDGE_OWN_TILE EDGE_TILE_PLAIN
#endif

typedef struct layout {
  uint64_t starts; /* offsets from the header */
  uint64_t columns;
  uint64_t weights;
  uint64_t end;
  uint32_t panels;
  uint32_t chunks;
  uint32_t tile_bytes;
} layout_t;

static uint64_t round16(uint64_t bytes) { return (bytes + 15) / 16 * 16; }

static layout_t layout_of(const edge_matrix_head_t *head) {
  uint32_t rows = edge_tile_rows(head->tile);
  uint32_t columns = edge_tile_columns(head->tile);
  layout_t at = {.panels = (head->rows + rows - 1) / rows,
                 .chunks = (head->depth + columns - 1) / columns,
                 .tile_bytes = rows * columns * (head->bits ? head->bits : 8u) / 8u};
  uint32_t palette = 0;
  if (head->bits > 0)
    palette = head->tile == EDGE_TILE_4X4 ? 4u << (2u * head->bits) : 1u << head->bits;
  at.starts = sizeof *head + round16(palette);
  at.columns = at.starts + (head->sparse ? round16(4 * ((uint64_t)at.panels + 1)) : 0);
  at.weights = at.columns + (head->sparse ? round16(2 * (uint64_t)head->tiles) : 0);
  at.end = at.weights + (uint64_t)head->tiles * at.tile_bytes;
  return at;
}

/* Every pair of a 4x4 palette is made of the same int8 values. */
EDGE_RARE static bool pairs_ok(const edge_matrix_head_t *head) {
  const int16_t *pairs = (const int16_t *)(const void *)(head + 1);
  uint32_t bits = head->bits;
  for (uint32_t a = 0; a < 1u << bits; a++) {
    int16_t value = pairs[2 * edge_palette_pair(bits, a, a)];
    if (!edge_within(value, -128, 127))
      return false;
    for (uint32_t b = 0; b < 1u << bits; b++) {
      if (pairs[2 * edge_palette_pair(bits, a, b)] != value ||
          pairs[2 * edge_palette_pair(bits, b, a) + 1] != value)
        return false;
    }
  }
  return true;
}

/* Panels begin where the last one ended, and their tiles ascend from left to right. */
EDGE_RARE static bool index_ok(const edge_matrix_head_t *head, const layout_t *at) {
  const uint8_t *base = (const uint8_t *)head;
  const uint32_t *starts = (const uint32_t *)(const void *)(base + at->starts);
  const uint16_t *columns = (const uint16_t *)(const void *)(base + at->columns);
  if (starts[0] != 0 || starts[at->panels] != head->tiles)
    return false;
  for (uint32_t p = 0; p < at->panels; p++) {
    if (starts[p] > starts[p + 1] || starts[p + 1] > head->tiles)
      return false;
    for (uint32_t t = starts[p]; t < starts[p + 1]; t++) {
      if (columns[t] >= at->chunks || (t > starts[p] && columns[t] <= columns[t - 1]))
        return false;
    }
  }
  return true;
}

EDGE_RARE bool edge_matrix_ok(const edge_plan_t *plan, edge_ref_t ref, uint32_t tile, uint32_t rows,
                              uint32_t depth) {
  if ((tile != EDGE_TILE_4X4 && tile != EDGE_TILE_8X16) || rows == 0 || depth == 0 ||
      depth > EDGE_MAX_DEPTH || rows > 1u << 24 || EDGE_REF_OFFSET(ref) % 16 != 0 ||
      !edge_is_const(plan, ref, sizeof(edge_matrix_head_t), 1))
    return false;
  const edge_matrix_head_t *head =
      (const edge_matrix_head_t *)(const void *)(plan->consts + EDGE_REF_OFFSET(ref));
  if (head->tile != tile || head->bits > EDGE_MAX_PALETTE_BITS || head->sparse > 1 ||
      head->zero != 0 || head->rows != rows || head->depth != depth)
    return false;
  const layout_t at = layout_of(head);
  if (at.end > plan->const_bytes - EDGE_REF_OFFSET(ref))
    return false;
  if (head->bits > 0 && tile == EDGE_TILE_4X4 && !pairs_ok(head))
    return false;
  return head->sparse ? index_ok(head, &at) : head->tiles == (uint64_t)at.panels * at.chunks;
}

edge_matrix_t edge_matrix_at(const edge_memory_t *memory, edge_ref_t ref) {
  const uint8_t *base = (const uint8_t *)edge_at(memory, ref);
  const edge_matrix_head_t *head = (const edge_matrix_head_t *)(const void *)base;
  const layout_t at = layout_of(head);
  edge_matrix_t matrix = {.weights = base + at.weights,
                          .palette = head + 1,
                          .chunks = at.chunks,
                          .depth = head->depth,
                          .tile_bytes = at.tile_bytes,
                          .tile = head->tile,
                          .bits = head->bits};
  if (head->sparse) {
    matrix.starts = (const uint32_t *)(const void *)(base + at.starts);
    matrix.columns = (const uint16_t *)(const void *)(base + at.columns);
  }
  return matrix;
}

const void *edge_matrix_prepare(uint32_t tile, const int8_t *x, uint32_t depth, void *scratch) {
  if (tile != EDGE_OWN_TILE)
    return x;
  if (tile == EDGE_TILE_4X4) {
    int16_t *wide = (int16_t *)scratch;
    for (uint32_t i = 0; i < depth; i++)
      wide[i] = x[i];
    memset(wide + depth, 0, 2 * (edge_round_up(depth, 4) - depth));
    return wide;
  }
  if (depth % 16 == 0)
    return x;
  memcpy(scratch, x, depth);
  memset((int8_t *)scratch + depth, 0, edge_round_up(depth, 16) - depth);
  return scratch;
}

void edge_matrix_sums(const edge_matrix_t *matrix, const void *x, const int32_t *bias, uint32_t row,
                      uint32_t rows, int32_t sums[EDGE_BLOCK_ROWS]) {
  uint32_t height = edge_tile_rows(matrix->tile);
  const edge_block_t block = {.first = row / height,
                              .panels = (rows + height - 1) / height,
                              .bias = bias + row,
                              .sums = sums};
#if defined(__ARM_FEATURE_MVE)
  if (matrix->tile == EDGE_OWN_TILE) {
    edge_block_mve(matrix, (const int8_t *)x, &block);
    return;
  }
#elif defined(__ARM_FEATURE_DSP)
  if (matrix->tile == EDGE_OWN_TILE) {
    edge_block_dsp(matrix, (const int16_t *)x, &block);
    return;
  }
#endif
  edge_block_ref(matrix, (const int8_t *)x, &block);
}
