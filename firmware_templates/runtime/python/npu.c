/* The emulated NPU for a caller without C headers: sdk/edgesdk/npu/emulator.py. */
#include <stddef.h>

#include "edge/graph.h"
#include "edge/kernels.h"
#include "edge/plan.h"
#include "edge/recogniser.h"
#include "ethosu/seam.h"
#include "npu/kernel.h"

/* An emulated NPU, and the seam to it. */
typedef struct edge_binding_npu {
  edge_ethosu_t device;
  edge_npu_t seam;
} edge_binding_npu_t;

uint32_t edge_binding_npu_bytes(void);
edge_status_t edge_binding_npu_open(edge_binding_npu_t *npu, uint32_t config, void *work,
                                    uint64_t work_bytes);
edge_npu_t *edge_binding_npu_seam(edge_binding_npu_t *npu);
edge_ethosu_t *edge_binding_npu_device(edge_binding_npu_t *npu);
void edge_binding_npu_strict(edge_binding_npu_t *npu, bool strict);
void edge_binding_npu_unmap(edge_binding_npu_t *npu);
uint64_t edge_binding_npu_address(const edge_binding_npu_t *npu, uint32_t window);
void edge_binding_npu_fault(const edge_binding_npu_t *npu, uint64_t out[6]);
void edge_binding_npu_counts(const edge_binding_npu_t *npu, uint64_t out[6]);
bool edge_binding_graph_npu(const edge_graph_t *graph, uint32_t *config);
bool edge_binding_recogniser_npu(const edge_recogniser_t *recogniser, uint32_t *config);

uint32_t edge_binding_npu_bytes(void) { return sizeof(edge_binding_npu_t); }

edge_status_t edge_binding_npu_open(edge_binding_npu_t *npu, uint32_t config, void *work,
                                    uint64_t work_bytes) {
  edge_status_t status = edge_ethosu_init(&npu->device, config, NULL, 0, work, work_bytes);
  npu->seam = edge_ethosu_seam(&npu->device);
  return status;
}

edge_npu_t *edge_binding_npu_seam(edge_binding_npu_t *npu) { return &npu->seam; }

edge_ethosu_t *edge_binding_npu_device(edge_binding_npu_t *npu) { return &npu->device; }

void edge_binding_npu_strict(edge_binding_npu_t *npu, bool strict) { npu->device.strict = strict; }

void edge_binding_npu_unmap(edge_binding_npu_t *npu) { npu->device.window_count = 0; }

uint64_t edge_binding_npu_address(const edge_binding_npu_t *npu, uint32_t window) {
  return npu->device.windows[window].base;
}

void edge_binding_npu_fault(const edge_binding_npu_t *npu, uint64_t out[6]) {
  out[0] = npu->device.fault.kind;
  out[1] = npu->device.fault.at;
  out[2] = npu->device.fault.region;
  out[3] = npu->device.fault.address;
  out[4] = npu->device.overflows;
  out[5] = npu->device.fault.other;
}

/* Cycles, jobs, and events, as the driver summed them. */
void edge_binding_npu_counts(const edge_binding_npu_t *npu, uint64_t out[6]) {
  out[0] = npu->seam.counts.cycles;
  out[1] = npu->seam.counts.jobs;
  for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
    out[2 + i] = npu->seam.counts.events[i];
  }
}

/* CONFIG that the first step for an NPU was compiled for; false: no such step. */
bool edge_binding_graph_npu(const edge_graph_t *graph, uint32_t *config) {
  const edge_plan_header_t *header = (const edge_plan_header_t *)(const void *)graph->section;
  const uint8_t *at = graph->section + header->ops_offset;
  for (uint32_t i = 0; i < graph->op_count; i++) {
    const edge_op_npu_t *op = (const edge_op_npu_t *)(const void *)at;
    if (edge_kernel_find(op->head.code)->run == edge_npu_ethosu_run) {
      *config = op->config;
      return true;
    }
    at += 4u * op->head.words;
  }
  return false;
}

bool edge_binding_recogniser_npu(const edge_recogniser_t *recogniser, uint32_t *config) {
  const edge_graph_t *const graphs[] = {&recogniser->encoder, &recogniser->predictor,
                                        &recogniser->joiner, &recogniser->adapter,
                                        &recogniser->endpoint_graph};
  for (uint32_t i = 0; i < 5; i++) {
    if (graphs[i]->section != NULL && edge_binding_graph_npu(graphs[i], config)) {
      return true;
    }
  }
  return false;
}
