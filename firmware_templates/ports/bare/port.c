/* A processor without an operating system: the board's counter as clock, and the link that the
 * build chose. */
#include "edge/port.h"

#include "core.h"
#include "counter.h"
#include "edge_board.h"
#include "link.h"
#include "npu.h"
#include "start.h"

/* Polls before sleeping: an answer to an answer comes within microseconds on a fast link. */
#define POLLS_BEFORE_REST 2000u

static uint64_t ticks, base_ticks, base_count, paused_at, excluded, frozen_at;
static uint32_t call_cost; /* counts of one edge_port_clock */
static uint32_t last_reading;
static uint32_t idle_polls;

#ifdef EDGE_COUNTER_CYCLES_PER_TICK

#define CLOCK_KIND EDGE_CLOCK_CYCLES
#define CLOCK_HZ EDGE_CPU_CLOCK_HZ

static uint64_t counts_of(uint64_t passed) { return passed * EDGE_COUNTER_CYCLES_PER_TICK; }

#else

#define CLOCK_KIND EDGE_CLOCK_INSTRUCTIONS
#define CLOCK_HZ 0u /* a count of instructions is no time */

_Static_assert(2u * EDGE_COUNTER_TICK < (1u << EDGE_COUNTER_SHIFT),
               "counts are exact only where a tick is shorter than half an instruction");

/* In the emulator one instruction takes 2^shift units of the board's time, a tick a number of
 * them. A difference of two readings is at most one tick off, so rounding to whole instructions is
 * exact. */
static uint64_t counts_of(uint64_t passed) {
  return (passed * EDGE_COUNTER_TICK + (1u << EDGE_COUNTER_SHIFT) / 2u) >> EDGE_COUNTER_SHIFT;
}

#endif

/* The counter has 32 bits; reading it at least once per wrap makes it 64. */
static uint64_t read_ticks(void) {
  const uint32_t now = edge_counter_read();
  ticks += (uint32_t)(now - last_reading);
  last_reading = now;
  return ticks;
}

static uint64_t read_count(void) { return base_count + counts_of(read_ticks() - base_ticks); }

/* Sleeping ends at any nanosecond: count whole instructions from here again. */
void edge_bare_rest(bool (*over)(void)) {
  (void)edge_core_rest(over);
  base_count = read_count();
  base_ticks = ticks;
}

uint64_t edge_bare_count(void) { return read_count(); }

void edge_bare_slept(uint64_t before, uint32_t cycles) {
  const uint64_t passed = read_count() - before;
  if (CLOCK_KIND == EDGE_CLOCK_CYCLES && passed < cycles / 2u) {
    base_count += cycles - passed;
  }
}

void edge_bare_freeze(void) { frozen_at = read_count(); }

void edge_bare_thaw(void) {
  base_ticks = read_ticks();
  base_count = frozen_at;
}

/* A call leaves its own cost out, so that measuring often costs no more than measuring once. */
uint64_t edge_port_clock(void) {
  const uint64_t count = read_count() - excluded;
  excluded += call_cost;
  return count;
}

void edge_port_clock_pause(void) { paused_at = read_count(); }

void edge_port_clock_resume(void) { excluded += read_count() - paused_at + call_cost; }

/* Through a pointer, as graphs call it: an inlined call would cost less. */
static void calibrate(void) {
  uint64_t (*const volatile clock)(void) = edge_port_clock;
  edge_counter_init();
  last_reading = edge_counter_read();
  const uint64_t first = clock();
  call_cost = (uint32_t)(clock() - first);
}

void edge_port_init(edge_port_info_t *info) {
  *info = (edge_port_info_t){
      .board = EDGE_BOARD_NAME,
      .firmware_id = EDGE_FIRMWARE_ID,
      .clock_kind = CLOCK_KIND,
      .clock_hz = CLOCK_HZ,
      .model_read_only = EDGE_MODEL_READ_ONLY,
  };
  edge_bare_boot(info);
  edge_bare_regions(info);
  calibrate();
#ifdef EDGE_NPU_BASE
  info->npu = edge_core_npu();
#endif
  info->receive_bytes = edge_link_init();
}

uint32_t edge_port_read(uint8_t *data, uint32_t capacity) {
  const uint32_t size = edge_link_read(data, capacity);
  if (size > 0) {
    idle_polls = 0;
    edge_bare_heard();
  }
  return size;
}

void edge_port_write(const uint8_t *data, uint32_t size) { edge_link_write(data, size); }

void edge_port_idle(void) {
  if (++idle_polls > POLLS_BEFORE_REST) {
    edge_bare_rest(edge_link_waits);
  }
}

void edge_port_usage(edge_port_usage_t *usage) {
  edge_bare_stack(usage);
  edge_link_usage(usage);
}
