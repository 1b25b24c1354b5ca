/* Command stream for an Ethos-U: one job of the driver. */
#include "../../npu/ethosu/driver.h"
#include "../check.h"
#include "kernel.h"

edge_status_t edge_npu_ethosu_run(const edge_memory_t *memory, const void *record) {
  const edge_op_npu_t *op = (const edge_op_npu_t *)record;
  if (memory->npu == NULL)
    return EDGE_NPU_MISSING;
  const edge_ethosu_job_t job = {
      .stream = (const uint32_t *)edge_at(memory, op->stream),
      .stream_bytes = 4 * op->stream_words,
      .config = op->config,
      .regions = {{edge_at(memory, op->weights), op->weights_bytes},
                  {edge_at(memory, op->scratch), op->scratch_bytes},
                  {edge_at(memory, op->fast), op->fast_bytes}},
  };
  return edge_ethosu_run(memory->npu, &job);
}
