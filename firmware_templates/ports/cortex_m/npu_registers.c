/* An NPU whose registers lie at an address. */
#include <stddef.h>

#include "../../runtime/npu/ethosu/registers.h"
#include "cache.h"
#include "core.h"
#include "edge_board.h"
#include "npu.h"

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
  const uint64_t before = edge_bare_count();
#ifdef EDGE_NPU_INTERRUPT
  const uint32_t cycles = edge_core_rest_for(EDGE_NPU_INTERRUPT);
  edge_core_forget_interrupt(EDGE_NPU_INTERRUPT);
#else
  const uint32_t cycles = edge_core_rest(NULL);
#endif
  edge_bare_slept(before, cycles);
  return cycles;
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

#ifdef EDGE_CACHE_DATA
static void clean(void *device, const void *data, uint32_t bytes) {
  (void)device;
  edge_cache_clean(data, bytes);
}

static void invalidate(void *device, void *data, uint32_t bytes) {
  (void)device;
  edge_cache_drop(data, bytes);
}
#endif

#ifdef EDGE_NPU_WORKSPACE_BASE
extern uint8_t edge_model_start[], edge_workspace_start[];

static uint64_t address_of(void *device, const void *data) {
  const uintptr_t at = (uintptr_t)data;
  const uintptr_t in_model = at - (uintptr_t)edge_model_start;
  const uintptr_t in_workspace = at - (uintptr_t)edge_workspace_start;
  (void)device;
  return in_workspace < EDGE_WORKSPACE_BYTES ? EDGE_NPU_WORKSPACE_BASE + in_workspace
         : in_model < EDGE_MODEL_BYTES       ? EDGE_NPU_MODEL_BASE + in_model
                                             : at;
}
#endif

edge_npu_t *edge_core_npu(void) {
  static edge_npu_t npu = {
      .read = read_register, .write = write_register, .wait = await, EDGE_CORE_NPU_SETTINGS};
#ifdef EDGE_CACHE_DATA
  npu.clean = clean;
  npu.invalidate = invalidate;
#endif
#ifdef EDGE_NPU_WORKSPACE_BASE
  npu.address = address_of;
#endif
  return &npu;
}
