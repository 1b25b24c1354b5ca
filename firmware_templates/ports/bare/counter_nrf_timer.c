/* TIMER of the nRF51, nRF52 and nRF53 as a counter: a task copies the count into a register. Its
 * speed (PRESCALER) and its 32 bits (BITMODE) are [setup]'s. (nRF51 Series Reference Manual 3.0,
 * chapter 18) */
#include "core.h"
#include "counter.h"
#include "edge_board.h"

#define TASK_START EDGE_REG(EDGE_COUNTER_ADDRESS + 0x000u)
#define TASK_CAPTURE EDGE_REG(EDGE_COUNTER_ADDRESS + 0x040u)
#define CAPTURED EDGE_REG(EDGE_COUNTER_ADDRESS + 0x540u)

void edge_counter_init(void) { TASK_START = 1; }

uint32_t edge_counter_read(void) {
  TASK_CAPTURE = 1;
  return CAPTURED;
}
