/* UART of the nRF51 and, beside its UARTE, of the nRF52 (nRF51 Series Reference Manual 3.0, chapter
 * 29; nRF52840 Product Specification 1.7, 6.33). */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define TASK_START_RECEIVE EDGE_REG(EDGE_UART_BASE + 0x000u)
#define TASK_START_SEND EDGE_REG(EDGE_UART_BASE + 0x008u)
#define EVENT_RECEIVED EDGE_REG(EDGE_UART_BASE + 0x108u) /* RXDRDY */
#define EVENT_SENT EDGE_REG(EDGE_UART_BASE + 0x11Cu)     /* TXDRDY */
#define EVENT_ERROR EDGE_REG(EDGE_UART_BASE + 0x124u)
#define UART_INTENSET EDGE_REG(EDGE_UART_BASE + 0x304u)
#define UART_ERRORSRC EDGE_REG(EDGE_UART_BASE + 0x480u)
#define UART_ENABLE EDGE_REG(EDGE_UART_BASE + 0x500u)
#define UART_RXD EDGE_REG(EDGE_UART_BASE + 0x518u)
#define UART_TXD EDGE_REG(EDGE_UART_BASE + 0x51Cu)
#define UART_BAUDRATE EDGE_REG(EDGE_UART_BASE + 0x524u)
#define UART_CONFIG EDGE_REG(EDGE_UART_BASE + 0x56Cu)
#define ENABLED 4u
#define INTERRUPT_RECEIVED (1u << 2)
#define INTERRUPT_ERROR (1u << 9)
#define ERROR_OVERRUN 1u
#define ERRORS 0xFu
/* Of the clock, in 1/2^32; the lower 12 bits are not there. */
#define BAUD                                                                                       \
  ((uint32_t)((((uint64_t)EDGE_UART_BAUD << 32) / EDGE_UART_CLOCK_HZ + 0x800u) & 0xFFFFF000u))

void edge_uart_init(void) {
  UART_CONFIG = 0; /* no parity, no flow control */
  UART_BAUDRATE = BAUD;
  UART_ENABLE = ENABLED;
  EVENT_RECEIVED = 0;
  EVENT_SENT = 0;
  UART_INTENSET = INTERRUPT_RECEIVED | INTERRUPT_ERROR;
  TASK_START_SEND = 1;
  TASK_START_RECEIVE = 1;
}

void edge_uart_send(uint8_t byte) {
  UART_TXD = byte;
  while (EVENT_SENT == 0) {
  }
  EVENT_SENT = 0;
}

void edge_port_uart_interrupt(void) {
  if (EVENT_ERROR != 0) {
    EVENT_ERROR = 0;
    const uint32_t errors = UART_ERRORSRC & ERRORS;
    UART_ERRORSRC = errors;
    if ((errors & ERROR_OVERRUN) != 0) {
      edge_uart_lost(1);
    }
  }
  while (EVENT_RECEIVED != 0) { /* again with every byte of its six that is still there */
    EVENT_RECEIVED = 0;
    edge_uart_received((uint8_t)UART_RXD);
  }
}
