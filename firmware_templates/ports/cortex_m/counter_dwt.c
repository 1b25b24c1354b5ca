/* The cycle counter of the data watchpoint unit (Arm DDI 0403, C1.8; DDI 0553, D1.2). A Cortex-M0
 * or M0+ has none. */
#include "core.h"
#include "counter.h"

#define DEMCR EDGE_REG(0xE000EDFCu)
#define DWT_CTRL EDGE_REG(0xE0001000u)
#define DWT_CYCCNT EDGE_REG(0xE0001004u)
#define DWT_LAR EDGE_REG(0xE0001FB0u)
#define DEMCR_TRCENA (1u << 24)
#define CTRL_CYCCNTENA 1u
#define LAR_UNLOCK 0xC5ACCE55u /* a Cortex-M7 locks its registers; elsewhere nothing listens */

static void start(void) {
  DEMCR |= DEMCR_TRCENA;
  DWT_LAR = LAR_UNLOCK;
  DWT_CTRL |= CTRL_CYCCNTENA;
}

void edge_counter_init(void) {
  start();
  DWT_CYCCNT = 0;
}

/* Debuggers that go turn it off, some milliseconds after the reset that started the firmware
 * (pyOCD, DAPLink). */
uint32_t edge_counter_read(void) {
  if ((DEMCR & DEMCR_TRCENA) == 0) {
    start();
  }
  return DWT_CYCCNT;
}
