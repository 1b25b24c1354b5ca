/* Driver of the Arm Ethos-U55 and U65: one job at a time, no state but the NPU's own. */
#ifndef EDGE_NPU_ETHOSU_DRIVER_H
#define EDGE_NPU_ETHOSU_DRIVER_H

#include "edge/npu.h"
#include "edge/status.h"

#define EDGE_ETHOSU_JOB_REGIONS 3u /* weights, scratch, fast scratch */
#define EDGE_ETHOSU_ALIGN 16u      /* of the command stream and of regions */

typedef struct edge_ethosu_region {
  void *data;
  uint32_t bytes; /* 0: the job does not use it */
} edge_ethosu_region_t;

typedef struct edge_ethosu_job {
  const uint32_t *stream;
  uint32_t stream_bytes;
  uint32_t config;                                       /* what the stream was compiled for */
  edge_ethosu_region_t regions[EDGE_ETHOSU_JOB_REGIONS]; /* the first is only read */
} edge_ethosu_job_t;

/* Whether streams compiled for `config` and `id` run on this NPU: else EDGE_NPU_CONFIG. */
edge_status_t edge_ethosu_identify(const edge_npu_t *npu, uint32_t config, uint32_t id);

/* Reset: EDGE_NPU_TIMEOUT where it does not end, EDGE_NPU_SECURITY where the NPU then runs at
 * another level than asked for. */
edge_status_t edge_ethosu_reset(const edge_npu_t *npu);

/* Run a stream to its end. The constants must have been cleaned from the cache; the other regions
 * are cleaned before and dropped behind. After an error the NPU is reset: the next job finds it as
 * after power-on. Counts only jobs that ended well. */
edge_status_t edge_ethosu_run(edge_npu_t *npu, const edge_ethosu_job_t *job);

#endif
