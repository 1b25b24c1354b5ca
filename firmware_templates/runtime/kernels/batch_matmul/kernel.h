/* Products of two computed matrices. */
#ifndef EDGE_KERNELS_BATCH_MATMUL_H
#define EDGE_KERNELS_BATCH_MATMUL_H

#include "edge/kernels.h"

edge_status_t edge_batch_matmul_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_batch_matmul_s8_run(const edge_memory_t *memory, const void *record);

#endif
