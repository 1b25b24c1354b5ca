/* A command stream for an NPU. */
#ifndef EDGE_KERNELS_NPU_H
#define EDGE_KERNELS_NPU_H

#include "edge/kernels.h"

edge_status_t edge_npu_ethosu_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_npu_ethosu_run(const edge_memory_t *memory, const void *record);

#endif
