/* The ESP32-C3's counter of events in place of mcycle (its technical reference manual, chapter
 * 1.4). It stands still while the processor rests. */
#include "counter.h"

#include "csr.h"

#define MPCER_CYCLES 1u
#define MPCMR_COUNTS 1u

void edge_counter_init(void) {
  EDGE_CSR_WRITE("0x7E0", MPCER_CYCLES);
  EDGE_CSR_WRITE("0x7E1", MPCMR_COUNTS);
}

uint32_t edge_counter_read(void) {
  uint32_t count;
  EDGE_CSR_READ("0x7E2", count); /* mpccr */
  return count;
}
