/* Operators of two tensors with broadcasting. */
#ifndef EDGE_KERNELS_ARITHMETIC_H
#define EDGE_KERNELS_ARITHMETIC_H

#include "edge/kernels.h"

edge_status_t edge_add_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_add_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_add_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_add_s16_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_mul_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_mul_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_mul_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_mul_s16_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_prelu_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_prelu_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_extreme_s8_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_extreme_s8_run(const edge_memory_t *memory, const void *record);
edge_status_t edge_extreme_s16_check(const edge_plan_t *plan, const void *record);
edge_status_t edge_extreme_s16_run(const edge_memory_t *memory, const void *record);

#endif
