/* The clock of a port beside an NPU that works while the core waits for it. */
#ifndef EDGE_BARE_NPU_H
#define EDGE_BARE_NPU_H

/* Between the two the clock stands still, also inside a pause of it. They do not nest. (port.c) */
void edge_bare_freeze(void);
void edge_bare_thaw(void);

#endif
