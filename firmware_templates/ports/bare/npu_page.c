/* An NPU that edgesdk emulates beside QEMU. A page of the RAM that both share holds its registers,
 * as the host has last published them; a second page is a ring of writes that the host has yet to
 * do, whose two indices run freely and are written by one side each. A byte through a spare UART
 * wakes the host, one from it wakes this core.
 *
 * The NPU works only while this core waits for it, and the clock stands still meanwhile: nothing
 * that a program sees, counts included, depends on the host's speed. */
#include "../../runtime/npu/ethosu/registers.h"
#include "core.h"
#include "edge_board.h"
#include "npu.h"

#define REGISTER(offset) EDGE_REG(EDGE_NPU_BASE + (offset))
#define POSTED EDGE_REG(EDGE_NPU_BASE + 0x1000u) /* ours */
#define DONE EDGE_REG(EDGE_NPU_BASE + 0x1004u)   /* the host's */
#define ENTRY(at, word) EDGE_REG(EDGE_NPU_BASE + 0x1800u + 8u * ((at) % ENTRIES) + 4u * (word))
#define ENTRIES 256u

#define UART_DATA EDGE_REG(EDGE_NPU_DOORBELL_BASE + 0x00u)
#define UART_STATE EDGE_REG(EDGE_NPU_DOORBELL_BASE + 0x04u)
#define UART_CTRL EDGE_REG(EDGE_NPU_DOORBELL_BASE + 0x08u)
#define UART_INTERRUPT EDGE_REG(EDGE_NPU_DOORBELL_BASE + 0x0Cu)
#define UART_DIVISOR EDGE_REG(EDGE_NPU_DOORBELL_BASE + 0x10u)
#define STATE_SEND_FULL 1u
#define STATE_RECEIVE_FULL 2u
#define CTRL_SEND_RECEIVE_INTERRUPT 0xBu
#define INTERRUPT_RECEIVE 2u
#define DIVISOR_LEAST 16u

static bool started; /* a job that nobody has waited for yet */
static bool late;    /* the host has let a limit pass */

static bool all_done(void) { return DONE == POSTED; }

static bool has_interrupt(void) {
  return (REGISTER(EDGE_ETHOSU_REG_STATUS) & EDGE_ETHOSU_STATUS_IRQ) != 0;
}

static void ring(void) {
  if ((UART_STATE & STATE_SEND_FULL) == 0) { /* else the host has yet to take an earlier one */
    UART_DATA = 1;
  }
}

static void hush(void) {
  while ((UART_STATE & STATE_RECEIVE_FULL) != 0) {
    (void)UART_DATA;
  }
  UART_INTERRUPT = INTERRUPT_RECEIVE;
  edge_core_forget_interrupt(EDGE_NPU_INTERRUPT);
}

/* Let the host do what was posted and, for a job, also raise the interrupt that ends it. False: the
 * time limit has passed. */
static bool finish(bool job) {
  edge_bare_freeze();
  ring();
  uint64_t left = edge_core_cycles(EDGE_NPU_LIMIT_MS);
  while (left > 0 && !(all_done() && (!job || has_interrupt()))) {
    const uint32_t cycles = edge_core_rest_for(EDGE_NPU_INTERRUPT);
    left -= cycles < left ? cycles : left;
    hush();
  }
  edge_core_barrier();
  late = !all_done();
  started = started && late;
  edge_bare_thaw();
  return left > 0;
}

static uint32_t read_register(void *device, uint32_t offset) {
  (void)device;
  if (!all_done() && !started && !late) {
    (void)finish(false);
  }
  return REGISTER(offset);
}

static void write_register(void *device, uint32_t offset, uint32_t value) {
  (void)device;
  const uint32_t at = POSTED;
  if (at - DONE == ENTRIES && (late || !finish(false))) {
    return; /* an NPU that hears nothing: the next wait says so */
  }
  if (offset == EDGE_ETHOSU_REG_CMD && (value & EDGE_ETHOSU_CMD_RUN) != 0) {
    started = true;
    REGISTER(EDGE_ETHOSU_REG_STATUS) = EDGE_ETHOSU_STATUS_RUNNING;
  }
  ENTRY(at, 0) = offset;
  ENTRY(at, 1) = value;
  edge_core_barrier();
  POSTED = at + 1;
}

static bool await(void *device) {
  (void)device;
  return finish(true);
}

edge_npu_t *edge_core_npu(void) {
  static edge_npu_t npu = {
      .read = read_register, .write = write_register, .wait = await, EDGE_CORE_NPU_SETTINGS};
  UART_DIVISOR = DIVISOR_LEAST;
  UART_CTRL = CTRL_SEND_RECEIVE_INTERRUPT;
  return &npu;
}
