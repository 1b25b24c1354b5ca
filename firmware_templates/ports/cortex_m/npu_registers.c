/* An NPU whose registers lie at an address. No port here turns the core's data cache on, so there
 * is none to maintain; docs/porting.md says what one that does must add. */
#include "../../runtime/npu/ethosu/registers.h"
#include "core.h"
#include "edge_board.h"

static uint32_t read_register(void *device, uint32_t offset) {
  (void)device;
  const uint32_t value = EDGE_REG(EDGE_NPU_BASE + offset);
  __asm__ volatile("dsb" ::: "memory");
  return value;
}

static void write_register(void *device, uint32_t offset, uint32_t value) {
  (void)device;
  __asm__ volatile("dsb" ::: "memory");
  EDGE_REG(EDGE_NPU_BASE + offset) = value;
}

/* Without an interrupt the timer alone ends a rest. */
static uint32_t rest(void) {
#ifdef EDGE_NPU_INTERRUPT
  const uint32_t cycles = edge_core_rest_for(EDGE_NPU_INTERRUPT);
  edge_core_forget_interrupt(EDGE_NPU_INTERRUPT);
  return cycles;
#else
  return edge_core_rest();
#endif
}

static bool await(void *device) {
  uint64_t left = edge_core_cycles(EDGE_NPU_LIMIT_MS);
  while (left > 0 &&
         (read_register(device, EDGE_ETHOSU_REG_STATUS) & EDGE_ETHOSU_STATUS_IRQ) == 0) {
    const uint32_t cycles = rest();
    left -= cycles < left ? cycles : left;
  }
  return left > 0;
}

edge_npu_t *edge_core_npu(void) {
  static edge_npu_t npu = {
      .read = read_register, .write = write_register, .wait = await, EDGE_CORE_NPU_SETTINGS};
  return &npu;
}
