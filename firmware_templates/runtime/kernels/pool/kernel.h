/* Average and maximum pooling. */
#ifndef EDGE_KERNELS_POOL_H
#define EDGE_KERNELS_POOL_H

#include "edge/kernels.h"

edge_status_t edge_average_pool_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_average_pool_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_max_pool_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_max_pool_s8_run(const edge_memory_t *memory, const void *record);

#endif
