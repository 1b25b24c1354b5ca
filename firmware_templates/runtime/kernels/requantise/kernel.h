/* Change of quantisation or type. */
#ifndef EDGE_KERNELS_REQUANTISE_H
#define EDGE_KERNELS_REQUANTISE_H

#include "edge/kernels.h"

edge_status_t edge_requantise_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_requantise_run(const edge_memory_t *memory, const void *record);

#endif
