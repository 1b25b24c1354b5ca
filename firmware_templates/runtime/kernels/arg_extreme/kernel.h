/* Index of the largest or smallest value. */
#ifndef EDGE_KERNELS_ARG_EXTREME_H
#define EDGE_KERNELS_ARG_EXTREME_H

#include "edge/kernels.h"

edge_status_t edge_arg_extreme_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_arg_extreme_run(const edge_memory_t *memory, const void *record);

#endif
