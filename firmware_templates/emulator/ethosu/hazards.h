/* What the hardware would not forgive, and an emulator that runs one whole operation after the
 * other would never show: operations that use memory before a wait or a block dependency makes it
 * safe, tables that nobody loaded, addresses that are not aligned.
 *
 * The rules are those by which Vela 5.2.0 makes its waits (register_command_stream_generator.py,
 * register_command_stream_util.py and its C++ counterpart); nothing was compared with hardware:
 * - A transfer runs beside operations that began before it, and they beside transfers: a conflict
 *   needs KERNEL_WAIT or DMA_WAIT, whose parameter is how many may stay outstanding. At most 2
 *   operations and 1 transfer (U65: 2) are outstanding; one more waits for the oldest.
 * - Operations follow each other in order. Only reading what the one just before writes is a
 *   conflict, and BLOCKDEP rules it: job i of an operation may begin while the last BLOCKDEP - i
 *   blocks of the output before are unfinished. A job reads what one block of the output needs of a
 *   block of input channels.
 * - Accumulators use the memory of tables in cores of 16 KB, unless the operation uses a table. */
#ifndef EDGE_EMULATOR_ETHOSU_HAZARDS_H
#define EDGE_EMULATOR_ETHOSU_HAZARDS_H

#include "npu/ethosu/bounds.h"

#define EDGE_HAZARD_TRANSFERS 2u
#define EDGE_HAZARD_KERNELS 2u
#define EDGE_HAZARD_STEPS ((uint64_t)1 << 31) /* that comparing blocks may take in one job */

typedef enum edge_hazard_kind {
  EDGE_HAZARD_NONE,
  EDGE_HAZARD_TRANSFER,  /* it needs a DMA_WAIT */
  EDGE_HAZARD_KERNEL,    /* it needs a KERNEL_WAIT */
  EDGE_HAZARD_BLOCKDEP,  /* BLOCKDEP is too large */
  EDGE_HAZARD_TABLE,     /* it uses a look-up table that is not loaded */
  EDGE_HAZARD_ALIGNMENT, /* an address, a stride or a length is not aligned */
} edge_hazard_kind_t;

typedef struct edge_hazard {
  edge_hazard_kind_t kind;
  uint32_t other; /* word of the operation that it collides with; its own where it is alone */
  uint32_t region;
  int64_t address; /* of the first byte that both use, or that is not aligned */
} edge_hazard_t;

typedef struct edge_hazard_operation {
  edge_ethosu_accesses_t accesses;
  uint32_t at;
} edge_hazard_operation_t;

/* What is under way; complete, so that the caller can own it. */
typedef struct edge_hazards {
  uint32_t config;
  edge_hazard_operation_t transfers[EDGE_HAZARD_TRANSFERS];
  edge_hazard_operation_t kernels[EDGE_HAZARD_KERNELS];
  uint32_t transfer_count;
  uint32_t kernel_count;
  edge_ethosu_state_t before; /* of the last operation, where it may be outstanding */
  edge_ethosu_command_t before_command;
  bool has_before;
  uint32_t tables; /* a bit for each 256 bytes that hold a table */
  uint64_t left;   /* of the steps; 0: what follows is not judged any more */
} edge_hazards_t;

/* A job on the NPU with that CONFIG word begins. */
void edge_hazards_begin(edge_hazards_t *hazards, uint32_t config);

/* The next command, one whose accesses are known: what it does that the hardware would not forgive
 * (the first of several), or kind NONE. */
edge_hazard_t edge_hazards_next(edge_hazards_t *hazards, const edge_ethosu_state_t *state,
                                const edge_ethosu_command_t *command,
                                const edge_ethosu_accesses_t *accesses);

/* Whether BLOCKDEP lets `state` read what the operation before it has not written yet. */
edge_hazard_t edge_hazard_of_blocks(edge_hazards_t *hazards, const edge_ethosu_state_t *state,
                                    const edge_ethosu_command_t *command,
                                    const edge_ethosu_accesses_t *accesses);

#endif
