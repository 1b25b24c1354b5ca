/* Decoder of Ethos-U command streams: a cursor over the words and the registers that they set.
 *
 * Serves the check of a graph on load, the emulator and tests. What differs by product stands in
 * commands.def. Registers begin as zero (counts as one), as after a reset. */
#ifndef EDGE_NPU_ETHOSU_STREAM_H
#define EDGE_NPU_ETHOSU_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/status.h"

/* Products, as a set. */
#define EDGE_ETHOSU_U55 1u
#define EDGE_ETHOSU_U65 2u
#define EDGE_ETHOSU_ALL (EDGE_ETHOSU_U55 | EDGE_ETHOSU_U65)

enum {
#define EDGE_ETHOSU_OP(name, code, mask, products) EDGE_ETHOSU_OP_##name = (code),
#define EDGE_ETHOSU_SET(name, code, mask, products, form, field) EDGE_ETHOSU_SET_##name = (code),
#include "commands.def"
#undef EDGE_ETHOSU_OP
#undef EDGE_ETHOSU_SET
};

enum { EDGE_ETHOSU_POOL_MAX, EDGE_ETHOSU_POOL_AVERAGE, EDGE_ETHOSU_POOL_REDUCE_SUM };

enum {
  EDGE_ETHOSU_MUL,
  EDGE_ETHOSU_ADD,
  EDGE_ETHOSU_SUB,
  EDGE_ETHOSU_MIN,
  EDGE_ETHOSU_MAX,
  EDGE_ETHOSU_LRELU,
  EDGE_ETHOSU_ABS,
  EDGE_ETHOSU_CLZ,
  EDGE_ETHOSU_SHR,
  EDGE_ETHOSU_SHL
};

/* Bits of ifm2_broadcast. */
#define EDGE_ETHOSU_BROADCAST_H 0x01u
#define EDGE_ETHOSU_BROADCAST_W 0x02u
#define EDGE_ETHOSU_BROADCAST_C 0x04u
#define EDGE_ETHOSU_REVERSED 0x40u
#define EDGE_ETHOSU_SCALAR 0x80u

/* Bits of dma_src_region and dma_dst_region; the region itself is in the lowest three. */
#define EDGE_ETHOSU_INTERNAL 0x100u
#define EDGE_ETHOSU_DMA_STRIDES(region) ((uint32_t)(region) >> 9 & 3u) /* 0: 1D, 1: 2D, 2: 3D */

#define EDGE_ETHOSU_REGIONS 8u
#define EDGE_ETHOSU_SCALE_BYTES 10u /* of one channel: bias, multiplier, shift */

/* A feature map in four tiles: tile 0 to 3 are left top, right top, left bottom, right bottom.
 * width0 parts left from right; height0 and height1 part top from bottom on the left and on the
 * right. Offsets and strides are bytes in the region. */
typedef struct edge_ethosu_fm {
  uint64_t base[4];
  int64_t stride_x;
  int64_t stride_y;
  int64_t stride_c; /* of 16-channel bricks */
  uint32_t width0;
  uint32_t height0;
  uint32_t height1;
  uint32_t width; /* of the OFM only; those of an input follow from it */
  uint32_t height;
  uint32_t depth; /* not of IFM2 */
  uint16_t region;
  uint16_t precision;
  uint16_t zero_point; /* edge_ethosu_zero_point reads it */
} edge_ethosu_fm_t;

typedef struct edge_ethosu_scale {
  uint32_t multiplier;
  uint32_t shift;
} edge_ethosu_scale_t;

typedef struct edge_ethosu_state {
  edge_ethosu_fm_t ifm;
  edge_ethosu_fm_t ifm2;
  edge_ethosu_fm_t ofm;
  uint64_t weight_base[2]; /* of both cores */
  uint64_t scale_base[2];
  uint32_t weight_length[2];
  uint32_t scale_length[2];
  edge_ethosu_scale_t ofm_scale;
  edge_ethosu_scale_t opa_scale;
  edge_ethosu_scale_t opb_scale;
  uint64_t dma_src;
  uint64_t dma_dst;
  uint64_t dma_length;
  int64_t dma_skip0;
  int64_t dma_skip1;
  uint32_t block_width; /* of the OFM */
  uint32_t block_height;
  uint32_t block_depth;
  uint32_t kernel_width; /* with dilation */
  uint32_t kernel_height;
  uint16_t kernel_stride; /* edge_ethosu_stride_x and others read it */
  uint16_t pad_top;
  uint16_t pad_left;
  uint16_t pad_right;
  uint16_t pad_bottom;
  uint16_t upscale; /* 0 none, 1 nearest, 2 zeros between */
  uint16_t ifm_ib_end;
  uint16_t ifm2_ib_start;
  uint16_t ab_start;
  uint16_t parallel_mode; /* 1: both cores, by output channel */
  uint16_t acc_format;    /* 0 32 bits, 1 40 bits */
  uint16_t activation;
  uint16_t activation_min;
  uint16_t activation_max;
  uint16_t weight_region;
  uint16_t scale_region;
  uint16_t blockdep;
  uint16_t ifm2_broadcast;
  uint16_t ifm2_scalar;
  uint16_t dma_src_region;
  uint16_t dma_dst_region;
  uint16_t dma_size0;
  uint16_t dma_size1;
} edge_ethosu_state_t;

typedef struct edge_ethosu_cursor {
  const uint32_t *words;
  uint32_t count;
  uint32_t at;      /* the next word; after a failure the offending one */
  uint32_t product; /* EDGE_ETHOSU_U55 or EDGE_ETHOSU_U65 */
} edge_ethosu_cursor_t;

typedef struct edge_ethosu_command {
  uint32_t code; /* EDGE_ETHOSU_OP_* */
  uint32_t param;
  uint32_t at; /* index of its word */
} edge_ethosu_command_t;

/* The product of a CONFIG word (of the register or of a payload); 0: none that this reads. */
static inline uint32_t edge_ethosu_product(uint32_t config) {
  return config >> 28 == 0 ? EDGE_ETHOSU_U55 : config >> 28 == 1 ? EDGE_ETHOSU_U65 : 0;
}

/* Cores of an NPU, and bytes of memory inside each, by its CONFIG word. */
static inline uint32_t edge_ethosu_cores(uint32_t config) {
  return edge_ethosu_product(config) == EDGE_ETHOSU_U65 && (config & 15u) == 9 ? 2 : 1;
}
static inline uint32_t edge_ethosu_shram_bytes(uint32_t config) {
  return (config >> 8 & 0xffu) * 1024u / edge_ethosu_cores(config);
}

void edge_ethosu_begin(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                       const uint32_t *words, uint32_t count, uint32_t product);

/* Applies what is set up to the next operation and returns that; the last one is STOP. Errors:
 * NPU_STREAM for a command that the product has not, a value with bits that its register has not,
 * and an end without STOP. */
edge_status_t edge_ethosu_next(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                               edge_ethosu_command_t *command);

/* Fields of packed registers. Kernel widths hold the dilation, in steps of which weights lie. */
static inline uint32_t edge_ethosu_stride_x(const edge_ethosu_state_t *s) {
  return ((uint32_t)s->kernel_stride & 1u) + ((uint32_t)s->kernel_stride >> 5 & 2u) + 1u;
}
static inline uint32_t edge_ethosu_stride_y(const edge_ethosu_state_t *s) {
  return ((uint32_t)s->kernel_stride >> 1 & 1u) + ((uint32_t)s->kernel_stride >> 8 & 2u) + 1u;
}
static inline bool edge_ethosu_part_kernel(const edge_ethosu_state_t *s) {
  return (s->kernel_stride >> 2 & 1) != 0;
}
static inline uint32_t edge_ethosu_dilation_x(const edge_ethosu_state_t *s) {
  return ((uint32_t)s->kernel_stride >> 3 & 1u) + 1u;
}
static inline uint32_t edge_ethosu_dilation_y(const edge_ethosu_state_t *s) {
  return ((uint32_t)s->kernel_stride >> 4 & 1u) + 1u;
}

/* Kernels fall into parts of 4 by 4 instead of 8 by 8, in whose order weights then lie. */
static inline bool edge_ethosu_small_parts(const edge_ethosu_state_t *s) {
  return (s->kernel_stride >> 5 & 1) != 0;
}

static inline bool edge_ethosu_is_signed(const edge_ethosu_fm_t *fm) {
  return (fm->precision & 1) != 0;
}
static inline bool edge_ethosu_is_nhcwb16(const edge_ethosu_fm_t *fm) {
  return (fm->precision >> 6 & 1) != 0;
}
static inline int32_t edge_ethosu_zero_point(const edge_ethosu_fm_t *fm) {
  return edge_ethosu_is_signed(fm) ? (int16_t)fm->zero_point : (int32_t)fm->zero_point;
}
/* Bytes per element: 1, 2, 4 or 8 by the two bits of the precision; only the first three exist. */
static inline uint32_t edge_ethosu_ifm_bytes(const edge_ethosu_fm_t *fm) {
  return 1u << (fm->precision >> 2 & 3);
}
static inline uint32_t edge_ethosu_ofm_bytes(const edge_ethosu_fm_t *fm) {
  return 1u << (fm->precision >> 1 & 3);
}

#endif
