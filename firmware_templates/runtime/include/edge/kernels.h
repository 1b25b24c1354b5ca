/* The kernel list and what kernels see of a graph.
 *
 * A kernel has two functions: `check` runs once when a graph is opened and accepts a record only
 * if `run` can then never leave its buffers, whatever they hold. kernels/kernels.def is the one
 * list: codes, dispatch, tests and docs follow from it. */
#ifndef EDGE_KERNELS_H
#define EDGE_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/npu.h"
#include "edge/plan.h"
#include "edge/status.h"

/* Code that runs once, and code for layouts that a core has something better for: small, not fast,
 * where the firmware is. */
#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)
#define EDGE_RARE __attribute__((cold))
#else
#define EDGE_RARE
#endif

/* What a check needs: the constants themselves and the sizes of all spaces. */
typedef struct edge_plan {
  const uint8_t *consts; /* 16-byte aligned */
  uint32_t const_bytes;
  uint32_t arena_bytes;
  uint32_t state_bytes;
} edge_plan_t;

/* What a run needs: the bases of the spaces, indexed by EDGE_SPACE_*; [0] is NULL. */
typedef struct edge_memory {
  uint8_t *base[4];
  edge_npu_t *npu; /* NULL where none is attached */
} edge_memory_t;

typedef struct edge_kernel {
  uint8_t code;
  uint32_t record_bytes;
  edge_status_t (*check)(const edge_plan_t *plan, const void *record);
  edge_status_t (*run)(const edge_memory_t *memory, const void *record);
} edge_kernel_t;

enum {
#define EDGE_KERNEL(NAME, name, code, record) EDGE_OP_##NAME = (code),
#include "../../kernels/kernels.def"
#undef EDGE_KERNEL
};

/* The kernel of an operator code; NULL where this build lacks it. */
const edge_kernel_t *edge_kernel_find(uint32_t code);

#endif
