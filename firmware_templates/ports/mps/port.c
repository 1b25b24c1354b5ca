/* Arm MPS FPGA boards, real or emulated: the FPGA's counter as clock (Arm DAI 0386, FPGA system
 * control: COUNTER), and the link that the build chose. */
#include "edge/port.h"

#include "core.h"
#include "edge_board.h"
#include "link.h"

/* Polls before sleeping: an answer to an answer comes within microseconds on a fast link. */
#define POLLS_BEFORE_REST 2000u

static uint64_t ticks, paused_at, excluded;
static uint32_t last_reading;
static uint32_t idle_polls;

/* The counter has 32 bits; reading it at least once per wrap makes it 64. */
static uint64_t read_ticks(void) {
  const uint32_t now = EDGE_REG(EDGE_COUNTER_ADDRESS);
  ticks += (uint32_t)(now - last_reading);
  last_reading = now;
  return ticks;
}

/* In the emulator one instruction takes 2^shift nanoseconds of the board's time. */
uint64_t edge_port_clock(void) {
  return ((read_ticks() - excluded) * EDGE_COUNTER_TICK_NS) >> EDGE_COUNTER_SHIFT;
}

void edge_port_clock_pause(void) { paused_at = read_ticks(); }

void edge_port_clock_resume(void) { excluded += read_ticks() - paused_at; }

void edge_port_init(edge_port_info_t *info) {
  *info = (edge_port_info_t){
      .board = EDGE_BOARD_NAME,
      .firmware_id = EDGE_FIRMWARE_ID,
      .clock_kind = EDGE_CLOCK_INSTRUCTIONS,
  };
  edge_core_boot(info);
  edge_core_regions(info);
  last_reading = EDGE_REG(EDGE_COUNTER_ADDRESS);
  info->receive_bytes = edge_link_init();
}

uint32_t edge_port_read(uint8_t *data, uint32_t capacity) {
  const uint32_t size = edge_link_read(data, capacity);
  if (size > 0) {
    idle_polls = 0;
  }
  return size;
}

void edge_port_write(const uint8_t *data, uint32_t size) { edge_link_write(data, size); }

void edge_port_idle(void) {
  read_ticks();
  if (++idle_polls > POLLS_BEFORE_REST) {
    edge_core_rest();
  }
}

void edge_port_usage(edge_port_usage_t *usage) {
  edge_core_stack(usage);
  edge_link_usage(usage);
}
