/* SiFive's UART (FE310-G002 manual, chapter 18): FIFOs of 8 bytes each way; it does not tell when
 * one of them has been too short. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define UART_TXDATA EDGE_REG(EDGE_UART_BASE + 0x00u)
#define UART_RXDATA EDGE_REG(EDGE_UART_BASE + 0x04u)
#define UART_TXCTRL EDGE_REG(EDGE_UART_BASE + 0x08u)
#define UART_RXCTRL EDGE_REG(EDGE_UART_BASE + 0x0Cu)
#define UART_IE EDGE_REG(EDGE_UART_BASE + 0x10u)
#define UART_DIV EDGE_REG(EDGE_UART_BASE + 0x18u)
#define TXDATA_FULL (1u << 31)
#define RXDATA_EMPTY (1u << 31)
#define CTRL_ON 1u /* of rxctrl with watermark 0: an interrupt from the first byte on */
#define IE_RECEIVED 2u

void edge_uart_init(void) {
  UART_DIV = (EDGE_UART_CLOCK_HZ + EDGE_UART_BAUD / 2u) / EDGE_UART_BAUD - 1u;
  UART_TXCTRL = CTRL_ON;
  UART_RXCTRL = CTRL_ON;
  UART_IE = IE_RECEIVED;
}

void edge_uart_send(uint8_t byte) {
  while ((UART_TXDATA & TXDATA_FULL) != 0) {
  }
  UART_TXDATA = byte;
}

void edge_port_uart_interrupt(void) {
  for (uint32_t got = UART_RXDATA; (got & RXDATA_EMPTY) == 0; got = UART_RXDATA) {
    edge_uart_received((uint8_t)got);
  }
}
