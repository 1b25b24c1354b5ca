/* NXP LPUART with 32-bit registers and FIFOs (IMXRT1060RM and IMX93RM, chapter LPUART). */
#include "uart.h"
#include "core.h"
#include "edge_board.h"

#define UART_GLOBAL EDGE_REG(EDGE_UART_BASE + 0x08u)
#define UART_BAUD EDGE_REG(EDGE_UART_BASE + 0x10u)
#define UART_STAT EDGE_REG(EDGE_UART_BASE + 0x14u)
#define UART_CTRL EDGE_REG(EDGE_UART_BASE + 0x18u)
#define UART_DATA EDGE_REG(EDGE_UART_BASE + 0x1Cu)
#define UART_FIFO EDGE_REG(EDGE_UART_BASE + 0x28u)
#define UART_WATER EDGE_REG(EDGE_UART_BASE + 0x2Cu)

#define GLOBAL_RESET (1u << 1)
#define BAUD_SAMPLES(bit) (((bit) - 1u) << 24)
#define STAT_OVERRUN (1u << 19) /* a one clears it; until then the receiver keeps nothing */
#define STAT_RECEIVED (1u << 21)
#define STAT_CAN_SEND (1u << 23)
#define CTRL_RECEIVE (1u << 18)
#define CTRL_SEND (1u << 19)
#define CTRL_RECEIVED_INTERRUPT (1u << 21)
#define CTRL_OVERRUN_INTERRUPT (1u << 27)
#define FIFO_RECEIVE (1u << 3)
#define FIFO_SEND (1u << 7)
#define FIFO_EMPTY (3u << 14) /* both */

/* Fewer samples need another mode. */
#define SAMPLES_LEAST 8u
#define SAMPLES_MOST 32u

static uint32_t distance(uint32_t a, uint32_t b) { return a > b ? a - b : b - a; }

/* Samples a bit and divisor that come nearest to the baud rate. */
static uint32_t baud(void) {
  uint32_t best = 0, nearest = UINT32_MAX;
  for (uint32_t samples = SAMPLES_MOST; samples >= SAMPLES_LEAST; samples--) {
    const uint32_t rate = EDGE_UART_BAUD * samples;
    const uint32_t divisor = (EDGE_UART_CLOCK_HZ + rate / 2u) / rate;
    if (divisor > 0) {
      const uint32_t off = distance(EDGE_UART_CLOCK_HZ / (samples * divisor), EDGE_UART_BAUD);
      best = off < nearest ? BAUD_SAMPLES(samples) | divisor : best;
      nearest = off < nearest ? off : nearest;
    }
  }
  return best;
}

void edge_uart_init(void) {
  UART_GLOBAL = GLOBAL_RESET;
  UART_GLOBAL = 0;
  UART_BAUD = baud();
  UART_FIFO = FIFO_RECEIVE | FIFO_SEND | FIFO_EMPTY;
  UART_WATER = 0; /* an interrupt at the first byte; room is said of an empty FIFO */
  UART_CTRL = CTRL_SEND | CTRL_RECEIVE | CTRL_RECEIVED_INTERRUPT | CTRL_OVERRUN_INTERRUPT;
}

void edge_uart_send(uint8_t byte) {
  while ((UART_STAT & STAT_CAN_SEND) == 0) {
  }
  UART_DATA = byte;
}

void edge_port_uart_interrupt(void) {
  uint32_t state;
  while (((state = UART_STAT) & STAT_RECEIVED) != 0) {
    edge_uart_received((uint8_t)UART_DATA);
  }
  if ((state & STAT_OVERRUN) != 0) {
    UART_STAT = STAT_OVERRUN;
    edge_uart_lost(1);
  }
}
