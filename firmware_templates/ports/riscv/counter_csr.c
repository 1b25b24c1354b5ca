/* The processor's own counters (RISC-V privileged architecture, 3.1.10); of 64 bits, the lower. */
#include "counter.h"

#include "csr.h"
#include "edge_board.h"

void edge_counter_init(void) {}

uint32_t edge_counter_read(void) {
  uint32_t count;
#ifdef EDGE_COUNTER_CYCLES_PER_TICK
  EDGE_CSR_READ("mcycle", count);
#else
  EDGE_CSR_READ("minstret", count);
#endif
  return count;
}
