/* What a port gives the application: all that depends on the processor or the board.
 * docs/porting.md walks through a new one. */
#ifndef EDGE_PORT_H
#define EDGE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/npu.h"

/* What edge_port_clock counts. */
typedef enum edge_clock_kind {
  EDGE_CLOCK_NONE = 0,         /* nothing: always 0, costs are not measured */
  EDGE_CLOCK_INSTRUCTIONS = 1, /* instructions executed */
  EDGE_CLOCK_CYCLES = 2,       /* processor cycles */
} edge_clock_kind_t;

typedef enum edge_boot_cause {
  EDGE_BOOT_POWER_ON = 0,
  EDGE_BOOT_REQUESTED = 1, /* edge_port_reboot */
  EDGE_BOOT_FAULT = 2,     /* the processor took a fault; `fault` is valid */
} edge_boot_cause_t;

/* Of a RISC-V processor: kind is this and mcause, xpsr is mstatus, address is mtval. */
#define EDGE_FAULT_RISCV 0x10000u

/* Registers at a fault, in the names of the Arm v7-M manual; a host process fills kind (the
 * signal) and address only, a RISC-V no cfsr and hfsr. */
typedef struct edge_fault {
  uint32_t kind; /* exception number, EDGE_FAULT_RISCV and mcause, or signal number */
  uint32_t pc, lr, sp, xpsr;
  uint32_t cfsr, hfsr;
  uint32_t address; /* BFAR, MMFAR or the faulting address; 0 where unknown */
} edge_fault_t;

typedef struct edge_port_info {
  const char *board;       /* name of the board file */
  const char *firmware_id; /* digest of the firmware's sources and flags, hexadecimal */
  uint32_t clock_kind;     /* edge_clock_kind_t */
  uint32_t clock_hz;       /* counts per second where the clock is time, else 0 */
  uint8_t *model;          /* region for the image, 16-byte aligned */
  uint32_t model_bytes;
  bool model_read_only; /* flash, which only a programmer writes */
  uint8_t *workspace;   /* region for arena, states and buffers, 16-byte aligned */
  uint32_t workspace_bytes;
  uint32_t receive_bytes; /* bytes that the port buffers while the application computes */
  edge_boot_cause_t boot_cause;
  edge_fault_t fault;
  edge_npu_t *npu; /* the board's NPU; NULL: none */
} edge_port_info_t;

typedef struct edge_port_usage {
  uint32_t stack_bytes;      /* size of the stack; 0 where not measured */
  uint32_t stack_high_water; /* deepest use since start */
  uint32_t receive_high_water;
  uint32_t receive_lost; /* bytes that found the receive buffer full */
} edge_port_usage_t;

/* Once, first of all; fills everything in `info`. */
void edge_port_init(edge_port_info_t *info);

/* Received bytes, at most `capacity`; returns how many, 0 where none wait. Never blocks. */
uint32_t edge_port_read(uint8_t *data, uint32_t capacity);

/* Send all bytes; waits until the link has taken them. */
void edge_port_write(const uint8_t *data, uint32_t size);

/* Monotonic 64-bit count in the unit of clock_kind. */
uint64_t edge_port_clock(void);

/* Stop and restart the count, so that traffic with the host costs nothing; pauses do not nest. */
void edge_port_clock_pause(void);
void edge_port_clock_resume(void);

/* Rest until something may have been received. */
void edge_port_idle(void);

void edge_port_usage(edge_port_usage_t *usage);

/* Start again with EDGE_BOOT_REQUESTED. */
_Noreturn void edge_port_reboot(void);

#endif
