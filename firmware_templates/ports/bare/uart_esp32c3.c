/* UART of the ESP32-C3 (its technical reference manual, chapter 26), from the crystal. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define UART_FIFO EDGE_REG(EDGE_UART_BASE + 0x00u)
#define UART_INT_ST EDGE_REG(EDGE_UART_BASE + 0x08u)
#define UART_INT_ENA EDGE_REG(EDGE_UART_BASE + 0x0Cu)
#define UART_INT_CLR EDGE_REG(EDGE_UART_BASE + 0x10u)
#define UART_CLKDIV EDGE_REG(EDGE_UART_BASE + 0x14u)
#define UART_STATUS EDGE_REG(EDGE_UART_BASE + 0x1Cu)
#define UART_CONF0 EDGE_REG(EDGE_UART_BASE + 0x20u)
#define UART_CONF1 EDGE_REG(EDGE_UART_BASE + 0x24u)
#define UART_CLK_CONF EDGE_REG(EDGE_UART_BASE + 0x78u)
#define UART_ID EDGE_REG(EDGE_UART_BASE + 0x80u)
#define INT_FULL 1u /* bytes of the threshold below are there */
#define INT_OVERFLOW (1u << 4)
#define INT_TIMEOUT (1u << 8) /* fewer have waited for 10 bits, which reset sets */
#define INT_RECEIVED (INT_FULL | INT_OVERFLOW | INT_TIMEOUT)
#define STATUS_RECEIVED 0x3FFu
#define STATUS_TO_SEND(status) ((status) >> 16 & 0x3FFu)
#define CONF0_8N1 (3u << 2 | 1u << 4 | 1u << 28)     /* 8 bits, 1 stop bit, clock of the FIFOs */
#define CONF0_EMPTY (3u << 17)                       /* while set, of both FIFOs */
#define CONF1_ONE_BYTE (1u | 0x60u << 9 | 1u << 21)  /* thresholds to receive, send; timeout */
#define CLK_CRYSTAL (3u << 20 | 1u << 22 | 3u << 24) /* undivided, on for both directions */
#define CLK_RESET (1u << 23)
#define ID_BY_ITSELF (1u << 30) /* registers follow APB writes, which asks for the same clock */
#define ID_UPDATE (1u << 31)    /* until the core has taken over what was written */
#define FIFO_BYTES 128u

void edge_uart_init(void) {
  const uint32_t sixteenths =
      (uint32_t)(((uint64_t)EDGE_UART_CLOCK_HZ * 16u + EDGE_UART_BAUD / 2u) / EDGE_UART_BAUD);
  UART_INT_ENA = 0;
  UART_CLK_CONF = CLK_CRYSTAL | CLK_RESET;
  UART_CLK_CONF = CLK_CRYSTAL;
  UART_ID &= ~ID_BY_ITSELF;
  UART_CLKDIV = sixteenths / 16u | (sixteenths % 16u) << 20;
  UART_CONF0 = CONF0_8N1 | CONF0_EMPTY;
  UART_CONF0 = CONF0_8N1;
  UART_CONF1 = CONF1_ONE_BYTE;
  UART_ID |= ID_UPDATE;
  while ((UART_ID & ID_UPDATE) != 0) {
  }
  UART_INT_CLR = INT_RECEIVED;
  UART_INT_ENA = INT_RECEIVED;
}

void edge_uart_send(uint8_t byte) {
  while (STATUS_TO_SEND(UART_STATUS) >= FIFO_BYTES) {
  }
  UART_FIFO = byte;
}

void edge_port_uart_interrupt(void) {
  for (uint32_t state = UART_INT_ST; state != 0; state = UART_INT_ST) {
    UART_INT_CLR = state;
    if ((state & INT_OVERFLOW) != 0) {
      edge_uart_lost(1);
    }
    while ((UART_STATUS & STATUS_RECEIVED) != 0) {
      edge_uart_received((uint8_t)UART_FIFO);
    }
  }
}
