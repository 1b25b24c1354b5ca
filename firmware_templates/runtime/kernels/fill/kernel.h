/* A constant value. */
#ifndef EDGE_KERNELS_FILL_H
#define EDGE_KERNELS_FILL_H

#include "edge/kernels.h"

edge_status_t edge_fill_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_fill_run(const edge_memory_t *memory, const void *record);

#endif
