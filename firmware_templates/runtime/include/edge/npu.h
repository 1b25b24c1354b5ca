/* The seam between the driver of an NPU and a board: a real one, an emulated one, or a test's. */
#ifndef EDGE_NPU_H
#define EDGE_NPU_H

#include <stdbool.h>
#include <stdint.h>

#define EDGE_NPU_EVENTS 4u

/* What jobs cost by the NPU's own counters, summed since the caller cleared them; an emulated NPU
 * has no cycles. Events of an Ethos-U: cycles in which its MACs were active, beats read and written
 * on its first AXI port, beats read on its second one. */
typedef struct edge_npu_counts {
  uint64_t cycles; /* in which it was at work */
  uint64_t jobs;
  uint64_t events[EDGE_NPU_EVENTS];
} edge_npu_counts_t;

/* The port's functions and facts, the caller's memory. Functions that may be NULL say so. */
typedef struct edge_npu {
  void *device; /* the first argument of every function */

  /* A register by its byte offset. A write is done when it returns, behind all that was written to
   * memory before; what the NPU has written to memory is seen behind a read. */
  uint32_t (*read)(void *device, uint32_t offset);
  void (*write)(void *device, uint32_t offset, uint32_t value);

  /* Rest until the NPU's interrupt or, where that is not wired, until STATUS shows it. False: the
   * port's time limit has passed. Called again while the job runs, in case that something else
   * ended the rest, but not for ever: a port that polls has to do so in here. */
  bool (*wait)(void *device);

  /* An address of this core as the NPU sees it. NULL: the same. */
  uint64_t (*address)(void *device, const void *data);

  /* Write a stretch of the data cache back; drop it. Whole lines: neighbours that share one lie in
   * the same workspace, where nothing writes while a job runs. NULL: no data cache. */
  void (*clean)(void *device, const void *data, uint32_t bytes);
  void (*invalidate)(void *device, void *data, uint32_t bytes);

  uint32_t protection;    /* level to run at, as PROT shows it: bit 0 privileged, 1 non-secure */
  uint32_t queue_config;  /* QCONFIG: the AXI_LIMIT that the command stream is read by */
  uint32_t region_config; /* REGIONCFG: two bits per region, the AXI_LIMIT that it is used by */
  uint32_t axi_limit[4];  /* AXI_LIMIT0..3 */

  edge_npu_counts_t counts;
} edge_npu_t;

#endif
