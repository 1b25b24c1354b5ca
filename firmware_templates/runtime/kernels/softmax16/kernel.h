/* Softmax over rows of int16. */
#ifndef EDGE_KERNELS_SOFTMAX16_H
#define EDGE_KERNELS_SOFTMAX16_H

#include "edge/kernels.h"

edge_status_t edge_softmax_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_softmax_s16_run(const edge_memory_t *memory, const void *record);

#endif
