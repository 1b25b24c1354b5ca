/* The watchdog of a Stellaris as a counter (TI LM3S6965 data sheet, watchdog timer): it counts the
 * system clock down from LOAD and stops when it gets to 0 for a second time, unless somebody takes
 * note of the first, which starts it again from LOAD. [setup] gives it its clock. */
#include "core.h"
#include "counter.h"
#include "edge_board.h"

#define WATCHDOG_LOAD EDGE_REG(EDGE_COUNTER_ADDRESS + 0x000u)
#define WATCHDOG_VALUE EDGE_REG(EDGE_COUNTER_ADDRESS + 0x004u)
#define WATCHDOG_CONTROL EDGE_REG(EDGE_COUNTER_ADDRESS + 0x008u)
#define WATCHDOG_CLEAR EDGE_REG(EDGE_COUNTER_ADDRESS + 0x00Cu)
#define WATCHDOG_PASSED EDGE_REG(EDGE_COUNTER_ADDRESS + 0x010u)
#define WATCHDOG_ON 1u /* with its interrupt, which nobody enables; no reset */

static uint32_t before; /* counted until it was last started again */

void edge_counter_init(void) {
  WATCHDOG_LOAD = UINT32_MAX;
  WATCHDOG_CONTROL = WATCHDOG_ON;
}

uint32_t edge_counter_read(void) {
  const uint32_t passed = UINT32_MAX - WATCHDOG_VALUE;
  if (WATCHDOG_PASSED == 0) {
    return before + passed;
  }
  before += passed; /* once in 2^32 ticks; the few instructions until here are lost */
  WATCHDOG_CLEAR = 1;
  return before;
}
