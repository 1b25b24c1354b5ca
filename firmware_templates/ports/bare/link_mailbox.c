/* Two byte rings in memory that the emulator shares with the host (docs/protocol.md). Indices run
 * freely, each is written by one side only; a reader drops what was sent before it started. */
#include <stddef.h>
#include <string.h>

#include "core.h"
#include "edge_board.h"
#include "link.h"

#define RING_BYTES (EDGE_MAILBOX_BYTES / 4u)
#define TO_DEVICE_HEAD EDGE_REG(EDGE_MAILBOX_BASE + 0u)
#define TO_DEVICE_TAIL EDGE_REG(EDGE_MAILBOX_BASE + 4u)
#define TO_HOST_HEAD EDGE_REG(EDGE_MAILBOX_BASE + 8u)
#define TO_HOST_TAIL EDGE_REG(EDGE_MAILBOX_BASE + 12u)
#define TO_DEVICE_DATA ((uint8_t *)(uintptr_t)(EDGE_MAILBOX_BASE + 2u * RING_BYTES))
#define TO_HOST_DATA ((uint8_t *)(uintptr_t)(EDGE_MAILBOX_BASE + 1u * RING_BYTES))

_Static_assert((RING_BYTES & (RING_BYTES - 1u)) == 0, "the mailbox's size is a power of two");

static uint32_t high_water;

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

uint32_t edge_link_init(void) {
  TO_DEVICE_TAIL = TO_DEVICE_HEAD;
  return RING_BYTES;
}

uint32_t edge_link_read(uint8_t *data, uint32_t capacity) {
  const uint32_t tail = TO_DEVICE_TAIL;
  const uint32_t waiting = TO_DEVICE_HEAD - tail;
  const uint32_t at = tail % RING_BYTES;
  const uint32_t size = smaller(smaller(waiting, capacity), RING_BYTES - at);
  if (size == 0) {
    return 0;
  }
  high_water = waiting > high_water ? waiting : high_water;
  edge_core_barrier();
  memcpy(data, TO_DEVICE_DATA + at, size);
  edge_core_barrier();
  TO_DEVICE_TAIL = tail + size;
  return size;
}

bool edge_link_waits(void) { return TO_DEVICE_HEAD != TO_DEVICE_TAIL; }

void edge_link_write(const uint8_t *data, uint32_t size) {
  while (size > 0) {
    const uint32_t head = TO_HOST_HEAD;
    const uint32_t at = head % RING_BYTES;
    const uint32_t room = RING_BYTES - (head - TO_HOST_TAIL);
    const uint32_t part = smaller(smaller(room, size), RING_BYTES - at);
    if (part == 0) {
      edge_bare_rest(NULL);
      continue;
    }
    edge_core_barrier();
    memcpy(TO_HOST_DATA + at, data, part);
    edge_core_barrier();
    TO_HOST_HEAD = head + part;
    data += part;
    size -= part;
  }
}

void edge_link_usage(edge_port_usage_t *usage) {
  usage->receive_high_water = high_water;
  usage->receive_lost = 0;
}
