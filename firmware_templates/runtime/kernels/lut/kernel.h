/* Any function of one 8-bit element, by table. */
#ifndef EDGE_KERNELS_LUT_H
#define EDGE_KERNELS_LUT_H

#include "edge/kernels.h"

edge_status_t edge_lut_8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_lut_8_run(const edge_memory_t *memory, const void *record);

#endif
