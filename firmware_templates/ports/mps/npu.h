/* The clock of a port beside an NPU that works while the core waits for it. */
#ifndef EDGE_MPS_NPU_H
#define EDGE_MPS_NPU_H

/* Between the two the clock stands still, also inside a pause of it. They do not nest. (port.c) */
void edge_mps_freeze(void);
void edge_mps_thaw(void);

#endif
