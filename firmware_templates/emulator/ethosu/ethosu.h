/* A functional Arm Ethos-U55 or U65: registers, command streams, and what they compute.
 *
 * Equal to the semantics of TFLM's reference kernels for the streams that Vela 5.2.0 emits; nothing
 * here was compared with silicon. Operations run one after the other, each as a whole, when CMD
 * starts a job, so the job has ended when that write returns. There are no cycles: the cycle
 * counter reads zero.
 *
 * All memory is the caller's. Words and elements are little-endian, as this machine must be. */
#ifndef EDGE_EMULATOR_ETHOSU_H
#define EDGE_EMULATOR_ETHOSU_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/status.h"
#include "ethosu/hazards.h"
#include "ethosu/mlw.h"
#include "npu/ethosu/stream.h"

#define EDGE_ETHOSU_WINDOWS 8u
#define EDGE_ETHOSU_SHRAM_BYTES (48u * 1024u) /* of the largest core */
#define EDGE_ETHOSU_CURVE 256u
#define EDGE_ETHOSU_LIMIT ((uint64_t)1 << 36) /* of the work of one job: minutes */

/* Memory that the NPU can reach. Everything outside of all windows is a bus error. */
typedef struct edge_ethosu_window {
  uint64_t base; /* address for the NPU */
  uint8_t *data;
  uint64_t bytes;
  uint32_t writable;
} edge_ethosu_window_t;

/* EDGE_ETHOSU_FAULT(name, text) */
#define EDGE_ETHOSU_FAULT_LIST(EDGE_ETHOSU_FAULT)                                                  \
  EDGE_ETHOSU_FAULT(NONE, "no fault")                                                              \
  EDGE_ETHOSU_FAULT(QUEUE, "command stream outside the memory or not at a word")                   \
  EDGE_ETHOSU_FAULT(STREAM, "unknown command, register value or end of the stream")                \
  EDGE_ETHOSU_FAULT(READ, "read outside the memory")                                               \
  EDGE_ETHOSU_FAULT(WRITE, "write outside the memory or to memory that is only read")              \
  EDGE_ETHOSU_FAULT(WEIGHTS, "weights are damaged or end too early")                               \
  EDGE_ETHOSU_FAULT(LOOKUP, "lookup table outside the NPU's own memory")                           \
  EDGE_ETHOSU_FAULT(OPERATION, "operation that this NPU cannot run")                               \
  EDGE_ETHOSU_FAULT(WORK, "larger than the emulator's work memory or limit of work")               \
  EDGE_ETHOSU_FAULT(TRANSFER, "memory of a transfer that may be under way: no DMA_WAIT")           \
  EDGE_ETHOSU_FAULT(KERNEL, "memory of an operation that may be under way: no KERNEL_WAIT")        \
  EDGE_ETHOSU_FAULT(BLOCKDEP, "reads blocks that may not be written yet: BLOCKDEP too large")      \
  EDGE_ETHOSU_FAULT(TABLE, "lookup table that is not loaded")                                      \
  EDGE_ETHOSU_FAULT(ALIGNMENT, "address, stride or length not aligned as the NPU needs it")

typedef enum edge_ethosu_fault_kind {
#define EDGE_ETHOSU_FAULT_ENUM(name, text) EDGE_ETHOSU_FAULT_##name,
  EDGE_ETHOSU_FAULT_LIST(EDGE_ETHOSU_FAULT_ENUM)
#undef EDGE_ETHOSU_FAULT_ENUM
} edge_ethosu_fault_kind_t;

/* Why the last job failed; stays over a reset. */
typedef struct edge_ethosu_fault {
  uint32_t kind;    /* edge_ethosu_fault_kind_t */
  uint32_t at;      /* index of the offending word in the stream */
  uint32_t region;  /* of the memory that was asked for */
  uint64_t address; /* offset in that region */
  uint32_t other;   /* word of the operation that it collides with; its own where it is alone */
} edge_ethosu_fault_t;

typedef struct edge_ethosu_counters {
  uint32_t control;
  uint32_t enabled;
  uint32_t overflow;
  uint32_t interrupts;
  uint32_t cycle_config;
  uint32_t types[4];
  uint64_t events[4];
} edge_ethosu_counters_t;

typedef struct edge_ethosu {
  uint32_t config;
  uint32_t id;
  uint32_t status;
  uint32_t protection;
  uint64_t queue_base;
  uint32_t queue_config;
  uint32_t queue_bytes;
  uint32_t queue_read;
  uint32_t region_config;
  uint32_t axi_limit[4];
  uint64_t base[EDGE_ETHOSU_REGIONS];
  edge_ethosu_counters_t counters;

  edge_ethosu_window_t windows[EDGE_ETHOSU_WINDOWS];
  uint32_t window_count;
  uint8_t *work;
  uint64_t work_bytes;
  uint64_t limit; /* taps, bytes moved and weights decoded of one job; the caller may change it */
  uint64_t left;  /* of it, in the job that runs */
  bool strict;    /* what the hardware would not forgive is a fault; the caller may clear it */

  uint32_t ofm_ublock; /* channels that the core handles at once */
  uint32_t ifm_ublock;
  uint32_t shram_bytes;

  edge_ethosu_fault_t fault;
  uint32_t overflows; /* 32-bit accumulators that would have overflowed, since init */
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_hazards_t hazards;
  edge_mlw_t mlw;
  edge_mlw_t mlw_block;              /* where the block of weights that is being decoded began */
  uint16_t curve[EDGE_ETHOSU_CURVE]; /* logistic(i / 24) as Q0.16 */
  uint8_t shram[EDGE_ETHOSU_SHRAM_BYTES];
} edge_ethosu_t;

/* `config` is what the CONFIG register reads: product, size of the internal memory, MACs. The work
 * memory, 16-byte aligned, holds decoded weights and one window of the input: 64 KB serve most
 * graphs, and more of it makes large convolutions faster. BAD_ARGUMENT for a configuration that no
 * U55 or U65 has, or too many windows. */
edge_status_t edge_ethosu_init(edge_ethosu_t *npu, uint32_t config,
                               const edge_ethosu_window_t *windows, uint32_t count, void *work,
                               uint64_t work_bytes);

/* Registers by their byte offset; those that the NPU lacks read zero and ignore writes. */
uint32_t edge_ethosu_read(edge_ethosu_t *npu, uint32_t offset);
void edge_ethosu_write(edge_ethosu_t *npu, uint32_t offset, uint32_t value);

/* Text of a fault, for people. */
const char *edge_ethosu_fault_text(uint32_t kind);

#endif
