/* Rows of a table by index: embedding, gather. */
#ifndef EDGE_KERNELS_GATHER_H
#define EDGE_KERNELS_GATHER_H

#include "edge/kernels.h"

edge_status_t edge_gather_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_gather_run(const edge_memory_t *memory, const void *record);

#endif
