/* A UART as link: received bytes go through an interrupt into a ring, because a computation takes
 * far longer than a byte; sending polls. */
#include "core.h"
#include "edge_board.h"
#include "link.h"
#include "uart.h"

#define RING_BYTES EDGE_UART_RECEIVE_BYTES
_Static_assert((RING_BYTES & (RING_BYTES - 1u)) == 0, "the ring's size is a power of two");

static volatile uint8_t ring[RING_BYTES]; /* else copies could move past the indices */
static volatile uint32_t head, tail;      /* head: the interrupt's; tail: the application's */
static volatile uint32_t lost;
static uint32_t high_water;

void edge_uart_received(uint8_t byte) {
  if (head - tail < RING_BYTES) {
    ring[head % RING_BYTES] = byte;
    head++;
  } else {
    lost++;
  }
}

void edge_uart_lost(uint32_t bytes) { lost += bytes; }

uint32_t edge_link_init(void) {
  edge_uart_init();
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

bool edge_link_waits(void) { return head != tail; }

void edge_link_write(const uint8_t *data, uint32_t size) {
  for (uint32_t i = 0; i < size; i++) {
    edge_uart_send(data[i]);
  }
}

void edge_link_usage(edge_port_usage_t *usage) {
  usage->receive_high_water = high_water;
  usage->receive_lost = lost;
}
