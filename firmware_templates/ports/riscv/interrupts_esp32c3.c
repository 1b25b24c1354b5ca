/* The ESP32-C3 (its technical reference manual, chapters 1.6, 8 and 10): a matrix leads sources to
 * lines of the processor, whose number is the cause; the system timer ticks. */
#include "core.h"
#include "edge_board.h"
#include "interrupts.h"
#include "uart.h"

#define MATRIX 0x600C2000u
#define MATRIX_LINE(source) EDGE_REG(MATRIX + 4u * (source))
#define CPU_INT_ENABLE EDGE_REG(MATRIX + 0x104u)
#define CPU_INT_TYPE EDGE_REG(MATRIX + 0x108u)
#define CPU_INT_PRIORITY(line) EDGE_REG(MATRIX + 0x114u + 4u * (line))
#define CPU_INT_THRESHOLD EDGE_REG(MATRIX + 0x194u)
#define SYSTIMER 0x60023000u
#define SYSTIMER_CONF EDGE_REG(SYSTIMER + 0x00u)
#define SYSTIMER_UNIT0_OP EDGE_REG(SYSTIMER + 0x04u)
#define SYSTIMER_TARGET0_CONF EDGE_REG(SYSTIMER + 0x34u)
#define SYSTIMER_UNIT0_VALUE EDGE_REG(SYSTIMER + 0x44u)
#define SYSTIMER_COMP0_LOAD EDGE_REG(SYSTIMER + 0x50u)
#define SYSTIMER_INT_ENA EDGE_REG(SYSTIMER + 0x64u)
#define SYSTIMER_INT_CLR EDGE_REG(SYSTIMER + 0x6Cu)

#define LINE_UART 1u
#define LINE_TIMER 2u
#define PRIORITY 1u      /* taken from the threshold on; 0 is never taken */
#define SOURCE_TIMER 37u /* target 0 */
#define CONF_UNIT0_RUNS (1u << 30)
#define CONF_TARGET0_WORKS (1u << 24)
#define OP_UPDATE (1u << 30)
#define OP_VALID (1u << 29)
#define TARGET_PERIODIC (1u << 30) /* of unit 0 */
#define MILLISECOND (EDGE_TIMER_HZ / 1000u)

static uint32_t began;

static uint32_t bit(uint32_t line) { return 1u << line; }

static void lead(uint32_t source, uint32_t line) {
  MATRIX_LINE(source) = line;
  CPU_INT_PRIORITY(line) = PRIORITY;
}

static uint32_t now(void) {
  SYSTIMER_UNIT0_OP = OP_UPDATE;
  while ((SYSTIMER_UNIT0_OP & OP_VALID) == 0) {
  }
  return SYSTIMER_UNIT0_VALUE;
}

void edge_interrupts_init(void) {
  CPU_INT_ENABLE = 0;
  CPU_INT_TYPE = 0; /* levels */
  CPU_INT_THRESHOLD = PRIORITY;
  SYSTIMER_INT_ENA = 0;
  lead(SOURCE_TIMER, LINE_TIMER);
  SYSTIMER_TARGET0_CONF = MILLISECOND;
  SYSTIMER_COMP0_LOAD = 1;
  SYSTIMER_TARGET0_CONF = MILLISECOND | TARGET_PERIODIC;
  SYSTIMER_CONF = (SYSTIMER_CONF & ~CONF_TARGET0_WORKS) | CONF_UNIT0_RUNS;
  CPU_INT_ENABLE = bit(LINE_TIMER);
}

void edge_interrupts_enable(uint32_t number) {
  lead(number, LINE_UART);
  CPU_INT_ENABLE |= bit(LINE_UART);
}

void edge_interrupts_taken(uint32_t cause) {
  if (cause == LINE_TIMER) {
    SYSTIMER_INT_CLR = 1;
  } else {
    edge_port_uart_interrupt();
  }
}

void edge_interrupts_begin_ticks(void) {
  began = now();
  SYSTIMER_INT_CLR = 1;
  SYSTIMER_CONF |= CONF_TARGET0_WORKS;
  SYSTIMER_INT_ENA = 1;
}

uint32_t edge_interrupts_end_ticks(void) {
  SYSTIMER_INT_ENA = 0;
  SYSTIMER_CONF &= ~CONF_TARGET0_WORKS;
  SYSTIMER_INT_CLR = 1;
  return now() - began;
}
