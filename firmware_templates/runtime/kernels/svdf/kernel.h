/* A recurrent layer of low rank (SVDF). */
#ifndef EDGE_KERNELS_SVDF_H
#define EDGE_KERNELS_SVDF_H

#include "edge/kernels.h"

edge_status_t edge_svdf_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_svdf_s8_run(const edge_memory_t *memory, const void *record);

#endif
