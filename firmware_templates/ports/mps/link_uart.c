/* CMSDK APB UART (Arm DDI 0479, chapter 4.3): received bytes go through an interrupt into a ring,
 * because a computation takes far longer than a byte; sending polls. */
#include "core.h"
#include "edge_board.h"
#include "link.h"

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

#define RING_BYTES EDGE_UART_RECEIVE_BYTES
_Static_assert((RING_BYTES & (RING_BYTES - 1u)) == 0, "the ring's size is a power of two");

static uint8_t ring[RING_BYTES];
static volatile uint32_t head, tail; /* head: the interrupt's; tail: the application's */
static volatile uint32_t lost;
static uint32_t high_water;

void edge_port_uart_interrupt(void) {
  UART_INTERRUPT = INTERRUPT_RECEIVE;
  while ((UART_STATE & STATE_RECEIVE_FULL) != 0) {
    if ((UART_STATE & STATE_RECEIVE_OVERRUN) != 0) {
      UART_STATE = STATE_RECEIVE_OVERRUN;
      lost++;
    }
    const uint8_t byte = (uint8_t)UART_DATA;
    if (head - tail < RING_BYTES) {
      ring[head % RING_BYTES] = byte;
      head++;
    } else {
      lost++;
    }
  }
}

uint32_t edge_link_init(void) {
  UART_DIVISOR = EDGE_UART_CLOCK_HZ / EDGE_UART_BAUD;
  UART_CTRL = CTRL_SEND | CTRL_RECEIVE | CTRL_RECEIVE_INTERRUPT;
  edge_core_enable_interrupt(EDGE_UART_INTERRUPT);
  return RING_BYTES;
}

uint32_t edge_link_read(uint8_t *data, uint32_t capacity) {
  const uint32_t waiting = head - tail;
  const uint32_t size = waiting < capacity ? waiting : capacity;
  high_water = waiting > high_water ? waiting : high_water;
  for (uint32_t i = 0; i < size; i++) {
    data[i] = ring[(tail + i) % RING_BYTES];
  }
  tail += size;
  return size;
}

void edge_link_write(const uint8_t *data, uint32_t size) {
  for (uint32_t i = 0; i < size; i++) {
    while ((UART_STATE & STATE_SEND_FULL) != 0) {
    }
    UART_DATA = data[i];
  }
}

void edge_link_usage(edge_port_usage_t *usage) {
  usage->receive_high_water = high_water;
  usage->receive_lost = lost;
}
