/* What a processor gives its port: registers, rest, interrupts. (cortex_m, riscv) */
#ifndef EDGE_BARE_CORE_H
#define EDGE_BARE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/npu.h"
#include "edge/port.h"

#define EDGE_REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define EDGE_REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* Memory accesses before it are done before those behind it. */
static inline void edge_core_barrier(void) {
#if defined(__riscv)
  __asm__ volatile("fence" ::: "memory");
#else
  __asm__ volatile("dmb" ::: "memory");
#endif
}

/* Sleep for at most a millisecond, or, where the sleep stops the core's timer, until an interrupt;
 * any interrupt ends it. Not at all where `over` says, once nothing can come between, that what the
 * caller waits for has come; NULL: it waits for time. The cycles that it took, never none: who adds
 * them up has a time limit even where something else keeps ending the sleep. */
uint32_t edge_core_rest(bool (*over)(void));

/* The same for time. Interrupt `number` ends it too, which is enabled here only and needs no
 * handler; its source is the caller's to silence. */
uint32_t edge_core_rest_for(uint32_t number);

/* Cycles of a time limit. */
uint64_t edge_core_cycles(uint32_t ms);

/* Forget that an interrupt came, once its source is silent. */
void edge_core_forget_interrupt(uint32_t number);

void edge_core_enable_interrupt(uint32_t number);

/* What every attachment gives edge_npu_t of the board file (edge_board.h). */
#define EDGE_CORE_NPU_SETTINGS                                                                     \
  .protection = EDGE_ETHOSU_PROT_PRIVILEGED, .queue_config = EDGE_NPU_QUEUE_CONFIG,                \
  .region_config = EDGE_NPU_REGION_CONFIG,                                                         \
  .axi_limit = {EDGE_NPU_AXI_LIMIT0, EDGE_NPU_AXI_LIMIT1, EDGE_NPU_AXI_LIMIT2,                     \
                EDGE_NPU_AXI_LIMIT3}

/* The board's NPU; the build takes the source of its attachment. */
edge_npu_t *edge_core_npu(void);

#endif
