/* CMSDK APB UART (Arm DDI 0479, chapter 4.3). */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define UART_DATA EDGE_REG(EDGE_UART_BASE + 0x00u)
#define UART_STATE EDGE_REG(EDGE_UART_BASE + 0x04u)
#define UART_CTRL EDGE_REG(EDGE_UART_BASE + 0x08u)
#define UART_INTERRUPT EDGE_REG(EDGE_UART_BASE + 0x0Cu)
#define UART_DIVISOR EDGE_REG(EDGE_UART_BASE + 0x10u)
#define STATE_SEND_FULL 1u
#define STATE_RECEIVE_FULL 2u
#define STATE_RECEIVE_OVERRUN 8u
#define CTRL_SEND 1u
#define CTRL_RECEIVE 2u
#define CTRL_RECEIVE_INTERRUPT 8u
#define INTERRUPT_RECEIVE 2u

void edge_uart_init(void) {
  UART_DIVISOR = EDGE_UART_CLOCK_HZ / EDGE_UART_BAUD;
  UART_CTRL = CTRL_SEND | CTRL_RECEIVE | CTRL_RECEIVE_INTERRUPT;
}

void edge_uart_send(uint8_t byte) {
  while ((UART_STATE & STATE_SEND_FULL) != 0) {
  }
  UART_DATA = byte;
}

void edge_port_uart_interrupt(void) {
  UART_INTERRUPT = INTERRUPT_RECEIVE;
  while ((UART_STATE & STATE_RECEIVE_FULL) != 0) {
    if ((UART_STATE & STATE_RECEIVE_OVERRUN) != 0) {
      UART_STATE = STATE_RECEIVE_OVERRUN;
      edge_uart_lost(1);
    }
    edge_uart_received((uint8_t)UART_DATA);
  }
}
