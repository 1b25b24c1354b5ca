/* Instead of ports/host/npu_emulator.c: an NPU whose jobs end as badly as the test wants, one after
 * the other, and which computes nothing. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "edge_board.h"
#include "npu.h"
#include "npu/ethosu/registers.h"

static uint32_t registers[EDGE_ETHOSU_REG_BYTES / 4];
static uint32_t jobs;

static const uint32_t ends[] = {
    0, /* never */
    EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_BUS,
    EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_PARSE,
    EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_WATCHDOG | EDGE_ETHOSU_STATUS_END,
    EDGE_ETHOSU_STATUS_IRQ, /* stopped before the end */
    EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_END,
};
#define ENDS (sizeof ends / sizeof ends[0])

static uint32_t read_register(void *device, uint32_t offset) {
  (void)device;
  return registers[offset / 4];
}

static void write_register(void *device, uint32_t offset, uint32_t value) {
  uint32_t *status = &registers[EDGE_ETHOSU_REG_STATUS / 4];
  (void)device;
  registers[offset / 4] = value;
  if (offset == EDGE_ETHOSU_REG_RESET) {
    *status = 0;
    registers[EDGE_ETHOSU_REG_PROT / 4] = value;
  } else if (offset == EDGE_ETHOSU_REG_CMD && value == EDGE_ETHOSU_CMD_RUN) {
    *status = ends[jobs % ENDS] == 0 ? EDGE_ETHOSU_STATUS_RUNNING : ends[jobs % ENDS];
    jobs++;
  } else if (offset == EDGE_ETHOSU_REG_CMD) {
    *status &= ~EDGE_ETHOSU_STATUS_IRQ;
  }
}

static bool await(void *device) {
  (void)device;
  const struct timespec limit = {EDGE_NPU_LIMIT_MS / 1000, EDGE_NPU_LIMIT_MS % 1000 * 1000000};
  nanosleep(&limit, NULL);
  return false;
}

static uint64_t address_of(void *device, const void *data) {
  (void)device;
  return (uintptr_t)data & 0xffffffu; /* goes nowhere */
}

edge_npu_t *edge_host_npu(const edge_port_info_t *info) {
  static edge_npu_t npu = {
      .read = read_register, .write = write_register, .wait = await, .address = address_of};
  (void)info;
  registers[EDGE_ETHOSU_REG_CONFIG / 4] = EDGE_NPU_CONFIG_WORD;
  registers[EDGE_ETHOSU_REG_ID / 4] = 0x10060000u;
  return &npu;
}
