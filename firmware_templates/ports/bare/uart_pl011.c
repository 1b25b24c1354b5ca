/* Arm PrimeCell UART PL011 (Arm DDI 0183), as in Stellaris, RP2040 and RP2350. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define UART_DATA EDGE_REG(EDGE_UART_BASE + 0x00u)
#define UART_FLAGS EDGE_REG(EDGE_UART_BASE + 0x18u)
#define UART_DIVISOR EDGE_REG(EDGE_UART_BASE + 0x24u)
#define UART_FRACTION EDGE_REG(EDGE_UART_BASE + 0x28u)
#define UART_LINE EDGE_REG(EDGE_UART_BASE + 0x2Cu)
#define UART_CONTROL EDGE_REG(EDGE_UART_BASE + 0x30u)
#define UART_LEVELS EDGE_REG(EDGE_UART_BASE + 0x34u)
#define UART_MASK EDGE_REG(EDGE_UART_BASE + 0x38u)
#define UART_PENDING EDGE_REG(EDGE_UART_BASE + 0x3Cu)
#define UART_CLEAR EDGE_REG(EDGE_UART_BASE + 0x44u)
#define FLAG_RECEIVE_EMPTY (1u << 4)
#define FLAG_SEND_FULL (1u << 5)
#define LINE_8_BITS_FIFO 0x70u
#define CONTROL_ON_SEND_RECEIVE 0x301u
#define LEVEL_RECEIVE_EIGHTH 0u
#define INTERRUPT_RECEIVED (1u << 4)
#define INTERRUPT_WAITING (1u << 6) /* fewer than the level, for as long as 32 bits take */
#define INTERRUPT_OVERRUN (1u << 10)
#define INTERRUPTS 0x7FFu
/* Of the clock by 16 bauds, in 1/64, rounded. */
#define DIVISOR ((8u * EDGE_UART_CLOCK_HZ / EDGE_UART_BAUD + 1u) / 2u)
_Static_assert(DIVISOR >= 64u && DIVISOR < 65536u * 64u, "baud does not follow from this clock");
_Static_assert(EDGE_UART_CLOCK_HZ < 1u << 29, "the divisor's computation has 32 bits");

void edge_uart_init(void) {
  UART_CONTROL = 0;
  UART_DIVISOR = DIVISOR / 64u;
  UART_FRACTION = DIVISOR % 64u;
  UART_LINE = LINE_8_BITS_FIFO; /* takes the divisor, too */
  UART_LEVELS = LEVEL_RECEIVE_EIGHTH;
  UART_CLEAR = INTERRUPTS;
  UART_MASK = INTERRUPT_RECEIVED | INTERRUPT_WAITING | INTERRUPT_OVERRUN;
  UART_CONTROL = CONTROL_ON_SEND_RECEIVE;
}

void edge_uart_send(uint8_t byte) {
  while ((UART_FLAGS & FLAG_SEND_FULL) != 0) {
  }
  UART_DATA = byte;
}

void edge_port_uart_interrupt(void) {
  const uint32_t overrun = UART_PENDING & INTERRUPT_OVERRUN;
  UART_CLEAR = INTERRUPT_RECEIVED | INTERRUPT_WAITING | overrun;
  while ((UART_FLAGS & FLAG_RECEIVE_EMPTY) == 0) {
    edge_uart_received((uint8_t)UART_DATA);
  }
  if (overrun != 0) {
    edge_uart_lost(1);
  }
}
