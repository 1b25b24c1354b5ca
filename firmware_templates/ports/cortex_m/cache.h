/* Caches of a Cortex-M7, M55 or M85 (Arm DDI 0403 B3.2, DDI 0553 B7): which of them a board turns
 * on, its file says. */
#ifndef EDGE_CORTEX_M_CACHE_H
#define EDGE_CORTEX_M_CACHE_H

#include <stdint.h>

#include "edge_board.h"

#if defined(EDGE_CACHE_INSTRUCTION) || defined(EDGE_CACHE_DATA)
/* Empty them, then turn them on. What they held is lost, unless the data cache was on already. */
void edge_cache_enable(void);
#else
static inline void edge_cache_enable(void) {}
#endif

#ifdef EDGE_CACHE_DATA
/* Whole lines, also where the stretch begins or ends within one. */
void edge_cache_clean(const void *data, uint32_t bytes); /* what it holds, to memory */
void edge_cache_drop(const void *data, uint32_t bytes);  /* unwritten: memory is right */
#else
static inline void edge_cache_clean(const void *data, uint32_t bytes) {
  (void)data;
  (void)bytes;
}
#endif

#endif
