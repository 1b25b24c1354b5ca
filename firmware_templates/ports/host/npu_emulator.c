/* The emulated NPU runs a job while the write to CMD lasts; the clock stands still meanwhile, as
 * what an NPU does is no work of the core. */
#include "ethosu/seam.h"

#include <stdlib.h>

#include "edge_board.h"
#include "npu.h"

#define WORK_BYTES                                                                                 \
  (4u << 20) /* decoded weights of one operation, which is faster with all of them */

static edge_ethosu_t device;
static _Alignas(16) uint8_t work[WORK_BYTES];
static edge_npu_t npu;

static void write_register(void *context, uint32_t offset, uint32_t value) {
  edge_port_clock_pause();
  edge_ethosu_write(context, offset, value);
  edge_port_clock_resume();
}

edge_npu_t *edge_host_npu(const edge_port_info_t *info) {
  if (edge_ethosu_init(&device, EDGE_NPU_CONFIG_WORD, NULL, 0, work, sizeof work) != EDGE_OK ||
      edge_ethosu_map(&device, info->model, info->model_bytes, false) != EDGE_OK ||
      edge_ethosu_map(&device, info->workspace, info->workspace_bytes, true) != EDGE_OK) {
    abort(); /* a board file that the build should have refused */
  }
  npu = edge_ethosu_seam(&device);
  npu.write = write_register;
  npu.queue_config = EDGE_NPU_QUEUE_CONFIG;
  npu.region_config = EDGE_NPU_REGION_CONFIG;
  return &npu;
}
