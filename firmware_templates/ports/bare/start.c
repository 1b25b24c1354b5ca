#include "start.h"

#include <stdbool.h>

#include "core.h"
#include "session.h"

#define STACK_PAINT 0xA5A5A5A5u
#define STACK_USED 64u /* words at its top that stay unpainted: the start runs on them */
#define RECORD_MAGIC 0x45424F54u

/* Of the linker script. */
extern uint32_t edge_stack_limit[], edge_stack_top[];
extern const uint32_t edge_data_load[];
extern uint32_t edge_data_start[], edge_data_end[];
extern uint32_t edge_bss_start[], edge_bss_end[];
extern uint8_t edge_model_start[], edge_model_end[];
extern uint8_t edge_workspace_start[], edge_workspace_end[];

/* Survives a restart, unlike .bss: what the next start reports. */
typedef struct boot_record {
  uint32_t magic, cause;
  edge_fault_t fault;
} boot_record_t;
static boot_record_t record __attribute__((section(".noinit")));
static boot_record_t this_boot;
static bool heard_any; /* a host has spoken since this start */
static edge_session_t session;

/* Volatile stores stay loops: no call of a library before there are variables. */
void edge_bare_start(void) {
  for (volatile uint32_t *paint = edge_stack_limit; paint + STACK_USED < edge_stack_top;) {
    *paint++ = STACK_PAINT;
  }
  volatile uint32_t *to = edge_data_start;
  for (const uint32_t *from = edge_data_load; to < edge_data_end;) {
    *to++ = *from++;
  }
  for (to = edge_bss_start; to < edge_bss_end;) {
    *to++ = 0;
  }
  if (record.magic == RECORD_MAGIC) {
    this_boot = record;
  }
  record.magic = 0;
}

_Noreturn void edge_bare_run(void) { edge_session_run(&session); }

/* A fault before any message since one, which may come before variables have values, too. */
static bool repeats(void) {
  return record.magic == RECORD_MAGIC ? record.cause == EDGE_BOOT_FAULT
                                      : this_boot.cause == EDGE_BOOT_FAULT && !heard_any;
}

_Noreturn void edge_bare_fault(const edge_fault_t *fault) {
  const bool again = repeats();
  record = (boot_record_t){.magic = RECORD_MAGIC, .cause = EDGE_BOOT_FAULT, .fault = *fault};
  if (again) {
    edge_core_stop(&record, sizeof record);
  }
  edge_core_restart(&record, sizeof record);
}

_Noreturn void edge_port_reboot(void) {
  record = (boot_record_t){.magic = RECORD_MAGIC, .cause = EDGE_BOOT_REQUESTED};
  edge_core_restart(&record, sizeof record);
}

void edge_bare_heard(void) { heard_any = true; }

void edge_bare_boot(edge_port_info_t *info) {
  info->boot_cause = (edge_boot_cause_t)this_boot.cause;
  info->fault = this_boot.fault;
}

void edge_bare_regions(edge_port_info_t *info) {
  info->model = edge_model_start;
  info->model_bytes = (uint32_t)(edge_model_end - edge_model_start);
  info->workspace = edge_workspace_start;
  info->workspace_bytes = (uint32_t)(edge_workspace_end - edge_workspace_start);
}

void edge_bare_stack(edge_port_usage_t *usage) {
  const uint32_t *untouched = edge_stack_limit;
  while (untouched < edge_stack_top && *untouched == STACK_PAINT) {
    untouched++;
  }
  usage->stack_bytes = 4u * (uint32_t)(edge_stack_top - edge_stack_limit);
  usage->stack_high_water = 4u * (uint32_t)(edge_stack_top - untouched);
}
