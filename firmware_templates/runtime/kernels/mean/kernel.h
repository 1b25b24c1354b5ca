/* Mean over one group of dimensions. */
#ifndef EDGE_KERNELS_MEAN_H
#define EDGE_KERNELS_MEAN_H

#include "edge/kernels.h"

edge_status_t edge_mean_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_mean_run(const edge_memory_t *memory, const void *record);

#endif
