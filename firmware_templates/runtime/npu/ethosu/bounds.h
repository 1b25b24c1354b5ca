/* Which bytes an operation of a command stream reads and writes.
 *
 * Serves the check of a graph on load, so that an NPU that works from accepted constants cannot
 * leave the memory of its graph, and the emulator. Extents run from the first byte to behind the
 * last one of each tile, also where rows between them are not touched. */
#ifndef EDGE_NPU_ETHOSU_BOUNDS_H
#define EDGE_NPU_ETHOSU_BOUNDS_H

#include "stream.h"

#define EDGE_ETHOSU_SHRAM EDGE_ETHOSU_REGIONS /* the memory inside a core, as a region */
#define EDGE_ETHOSU_EXTENTS 14u               /* of one operation at most 13; one to spare */
#define EDGE_ETHOSU_LUT_BYTES 2048u           /* of all look-up tables, at the end of the SHRAM */
#define EDGE_ETHOSU_LUT_SLOT 256u

typedef enum edge_ethosu_part {
  EDGE_ETHOSU_PART_IFM,
  EDGE_ETHOSU_PART_IFM2,
  EDGE_ETHOSU_PART_OFM,
  EDGE_ETHOSU_PART_WEIGHTS,
  EDGE_ETHOSU_PART_SCALES,
  EDGE_ETHOSU_PART_LUT,
  EDGE_ETHOSU_PART_SOURCE,
  EDGE_ETHOSU_PART_DESTINATION
} edge_ethosu_part_t;

typedef struct edge_ethosu_extent {
  int64_t begin; /* byte of the region; negative where strides lead before it */
  int64_t end;
  uint16_t region;
  uint8_t part;
  uint8_t index; /* the tile, or the core */
  bool written;
} edge_ethosu_extent_t;

typedef struct edge_ethosu_accesses {
  edge_ethosu_extent_t extent[EDGE_ETHOSU_EXTENTS];
  uint32_t count;
} edge_ethosu_accesses_t;

/* Size of an operation's input; depth as the operation takes it. */
typedef struct edge_ethosu_size {
  uint32_t height;
  uint32_t width;
  uint32_t depth;
} edge_ethosu_size_t;

/* IFM of a block operation, from what its OFM needs of it: NPU_STREAM where nothing is left of it
 * between the padding. */
edge_status_t edge_ethosu_ifm_size(const edge_ethosu_state_t *state,
                                   const edge_ethosu_command_t *command, edge_ethosu_size_t *size);

/* Whether a block operation reads IFM2 from memory, and what size. */
bool edge_ethosu_has_ifm2(const edge_ethosu_state_t *state, const edge_ethosu_command_t *command);
edge_ethosu_size_t edge_ethosu_ifm2_size(const edge_ethosu_state_t *state);

/* The extents of an operation, on the NPU with that CONFIG word; none for one that only waits.
 * NPU_STREAM: its registers contradict each other or hold values without a meaning. */
edge_status_t edge_ethosu_accesses(const edge_ethosu_state_t *state,
                                   const edge_ethosu_command_t *command, uint32_t config,
                                   edge_ethosu_accesses_t *accesses);

/* The first extent that is not within its region of `region_bytes` (0: there is none), or that
 * writes into region 0, the constants; NULL where all are fine. */
const edge_ethosu_extent_t *edge_ethosu_outside(const edge_ethosu_accesses_t *accesses,
                                                const uint64_t region_bytes[EDGE_ETHOSU_REGIONS],
                                                uint32_t config);

/* All operations of a stream that ends with its STOP: NPU_CONFIG for an unknown product, NPU_STREAM
 * or NPU_BOUNDS. */
edge_status_t edge_ethosu_check_stream(const uint32_t *words, uint32_t count,
                                       const uint64_t region_bytes[EDGE_ETHOSU_REGIONS],
                                       uint32_t config);

#endif
