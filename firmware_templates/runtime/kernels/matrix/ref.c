/* Panels of every form in plain C. */
#include "matrix.h"

static const uint8_t order4[4] = {0, 2, 1, 3}; /* its own inverse */

/* Index of weight `at` in a tile: pieces of 4, 2 and 1 bits, the widest first and lowest. */
EDGE_RARE static uint32_t index_of(const edge_matrix_t *m, const uint8_t *tile, uint32_t row,
                                   uint32_t column) {
  uint32_t index = 0;
  uint32_t done = 0;
  for (uint32_t width = 4; width > 0; width /= 2) {
    if (!(m->bits & width))
      continue;
    uint32_t lanes = 8 / width;
    if (m->tile == EDGE_TILE_4X4) {
      uint32_t bit = (4 * row + column) * width;
      index |= ((uint32_t)tile[bit / 8] >> bit % 8 & ((1u << width) - 1)) << done;
      tile += 2 * width;
    } else {
      uint32_t byte = tile[row / lanes * 16 + column];
      index |= (byte >> row % lanes * width & ((1u << width) - 1)) << done;
      tile += 16 * width;
    }
    done += width;
  }
  return index;
}

EDGE_RARE static int32_t weight_of(const edge_matrix_t *m, const uint8_t *tile, uint32_t row,
                                   uint32_t column) {
  bool narrow = m->tile == EDGE_TILE_4X4;
  if (m->bits == 0)
    return (int8_t)(narrow ? tile[4 * row + order4[column]] : tile[16 * row + column]);
  uint32_t index = index_of(m, tile, row, column);
  return narrow ? ((const int16_t *)m->palette)[2 * edge_palette_pair(m->bits, index, index)]
                : ((const int8_t *)m->palette)[index];
}

EDGE_RARE void edge_block_ref(const edge_matrix_t *m, const int8_t *x, const edge_block_t *block) {
  uint32_t rows = edge_tile_rows(m->tile);
  uint32_t columns = edge_tile_columns(m->tile);
  int32_t *sums = block->sums;
  const int32_t *bias = block->bias;
  for (uint32_t p = block->first; p < block->first + block->panels; p++) {
    for (uint32_t r = 0; r < rows; r++)
      sums[r] = bias[r];
    uint32_t start = edge_panel_start(m, p);
    uint32_t end = edge_panel_start(m, p + 1);
    for (uint32_t t = start; t < end; t++) {
      const uint8_t *tile = m->weights + t * m->tile_bytes;
      uint32_t first = columns * (m->columns ? m->columns[t] : t - start);
      uint32_t count = m->depth - first < columns ? m->depth - first : columns;
      for (uint32_t r = 0; r < rows; r++) {
        uint32_t sum = (uint32_t)sums[r];
        for (uint32_t c = 0; c < count; c++)
          sum += (uint32_t)(x[first + c] * weight_of(m, tile, r, c));
        sums[r] = (int32_t)sum;
      }
    }
    sums += rows;
    bias += rows;
  }
}
