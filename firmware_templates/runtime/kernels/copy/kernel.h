/* Strided copy: concatenation, slice, transposition, padding, states. */
#ifndef EDGE_KERNELS_COPY_H
#define EDGE_KERNELS_COPY_H

#include "edge/kernels.h"

edge_status_t edge_copy_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_copy_run(const edge_memory_t *memory, const void *record);

#endif
