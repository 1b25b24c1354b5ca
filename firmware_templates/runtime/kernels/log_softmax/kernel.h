/* Log-softmax of int8 rows. */
#ifndef EDGE_KERNELS_LOG_SOFTMAX_H
#define EDGE_KERNELS_LOG_SOFTMAX_H

#include "edge/kernels.h"

edge_status_t edge_log_softmax_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_log_softmax_s8_run(const edge_memory_t *memory, const void *record);

#endif
