/* Fully connected, int8 weights. */
#ifndef EDGE_KERNELS_FULLY_CONNECTED_H
#define EDGE_KERNELS_FULLY_CONNECTED_H

#include "edge/kernels.h"

edge_status_t edge_fully_connected_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_fully_connected_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_fully_connected_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_fully_connected_s16_run(const edge_memory_t *memory, const void *record);

/* s8 with packed weights. */
void edge_fully_connected_packed(const edge_memory_t *memory, const edge_op_fully_connected_t *op);

#endif
