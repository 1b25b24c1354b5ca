/* The clock of a port beside an NPU that works while the core waits for it. */
#ifndef EDGE_BARE_NPU_H
#define EDGE_BARE_NPU_H

#include <stdint.h>

/* Between the two the clock stands still, also inside a pause of it. They do not nest. (port.c) */
void edge_bare_freeze(void);
void edge_bare_thaw(void);

/* What edge_port_clock counts from, and a rest that ended: `cycles` by the core's timer, from
 * `before` on. A counter that stood still meanwhile, because sleep stops the core's clock, is put
 * right: an NPU's time is a job's. (port.c) */
uint64_t edge_bare_count(void);
void edge_bare_slept(uint64_t before, uint32_t cycles);

#endif
