/* Packed int8 matrices and their products with a vector (docs/image.md, "Packed matrices").
 *
 * A matrix is cut into tiles of the shape that one class of cores takes in a pass; a panel is a row
 * of tiles. Zero tiles may be left out, and weights may be 1 to 5 bit indices into a palette. Every
 * build runs every form: its own tile shape by its instruction set, the others in plain C. */
#ifndef EDGE_KERNELS_MATRIX_H
#define EDGE_KERNELS_MATRIX_H

#include "../check.h"

#define EDGE_TILE_PLAIN 0u /* row after row, no header: the layout of variant 0 */
#define EDGE_TILE_4X4 1u   /* for the DSP extension; columns in the order 0 2 1 3 */
#define EDGE_TILE_8X16 2u  /* for Helium */
#define EDGE_MAX_TILE 128u /* weights */
#define EDGE_MAX_PALETTE_BITS 5u
#define EDGE_BLOCK_ROWS 128u /* rows whose sums are held at once; whole panels of every tile */

typedef struct edge_matrix_head {
  uint8_t tile;
  uint8_t bits; /* 0: int8 weights; 1 to 5: palette indices */
  uint8_t sparse;
  uint8_t zero;
  uint32_t rows;
  uint32_t depth;
  uint32_t tiles; /* stored */
} edge_matrix_head_t;

typedef struct edge_matrix {
  const uint8_t *weights;  /* tile after tile */
  const uint32_t *starts;  /* of each panel, in tiles, and the end; NULL: no tile is left out */
  const uint16_t *columns; /* of each stored tile, in tiles */
  const void *palette;     /* 4x4: int16 pairs by pair of indices; 8x16: int8 by index */
  uint32_t chunks;         /* tiles of a full panel */
  uint32_t depth;
  uint32_t tile_bytes;
  uint8_t tile;
  uint8_t bits;
} edge_matrix_t;

static inline uint32_t edge_tile_rows(uint32_t tile) { return tile == EDGE_TILE_4X4 ? 4 : 8; }

static inline uint32_t edge_tile_columns(uint32_t tile) { return tile == EDGE_TILE_4X4 ? 4 : 16; }

static inline uint32_t edge_round_up(uint32_t value, uint32_t step) {
  return (value + step - 1) / step * step;
}

/* Where a 4x4 palette holds the pair of indices a, b: their low bits, a's first, then their highest
 * where 3 or 5 bits are stored as 2 + 1 or 4 + 1. */
static inline uint32_t edge_palette_pair(uint32_t bits, uint32_t a, uint32_t b) {
  uint32_t low = bits == 1 ? 1 : bits & 6u;
  uint32_t mask = (1u << low) - 1;
  return (a & mask) | (b & mask) << low | (a >> low) << 2 * low | (b >> low) << (2 * low + 1);
}

/* Bytes of scratch that edge_matrix_prepare may need for a vector, a multiple of 16. */
static inline uint32_t edge_matrix_scratch(uint32_t tile, uint32_t depth) {
  if (tile == EDGE_TILE_4X4)
    return edge_round_up(2 * edge_round_up(depth, 4), 16);
  return depth % 16 == 0 ? 0 : edge_round_up(depth, 16);
}

/* A known tile shape, and constants at `ref` that hold a whole matrix of that shape and size. */
bool edge_matrix_ok(const edge_plan_t *plan, edge_ref_t ref, uint32_t tile, uint32_t rows,
                    uint32_t depth);

/* The matrix that edge_matrix_ok accepted. */
edge_matrix_t edge_matrix_at(const edge_memory_t *memory, edge_ref_t ref);

/* What edge_matrix_sums takes for x[depth]: x, or its copy in scratch, which then stays in use. */
const void *edge_matrix_prepare(uint32_t tile, const int8_t *x, uint32_t depth, void *scratch);

/* sums[k] = bias[row + k] + weights[row + k] . x for k < rows, rounded up to whole panels; `row` is
 * a multiple of EDGE_BLOCK_ROWS, rows <= EDGE_BLOCK_ROWS. bias is padded to whole panels. */
void edge_matrix_sums(const edge_matrix_t *matrix, const void *x, const int32_t *bias, uint32_t row,
                      uint32_t rows, int32_t sums[EDGE_BLOCK_ROWS]);

/* The panels that cover `rows` rows from panel `first` on; bias and sums begin there too. Where no
 * tile is left out, columns is NULL in the matrix. */
typedef struct edge_block {
  uint32_t first;
  uint32_t panels;
  const int32_t *bias;
  int32_t *sums;
} edge_block_t;

void edge_block_ref(const edge_matrix_t *matrix, const int8_t *x, const edge_block_t *block);
void edge_block_dsp(const edge_matrix_t *matrix, const int16_t *x, const edge_block_t *block);
void edge_block_mve(const edge_matrix_t *matrix, const int8_t *x, const edge_block_t *block);

/* First stored tile of a panel. */
static inline uint32_t edge_panel_start(const edge_matrix_t *matrix, uint32_t panel) {
  return matrix->starts ? matrix->starts[panel] : panel * matrix->chunks;
}

#endif
