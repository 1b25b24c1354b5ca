/* int16 logistic and tanh. */
#ifndef EDGE_KERNELS_CURVE_H
#define EDGE_KERNELS_CURVE_H

#include "edge/kernels.h"

edge_status_t edge_logistic_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_logistic_s16_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_tanh_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_tanh_s16_run(const edge_memory_t *memory, const void *record);

#endif
