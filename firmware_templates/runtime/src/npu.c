/* Graphs and their NPU. */
#include <stddef.h>

#include "../kernels/npu/kernel.h"
#include "../npu/ethosu/driver.h"
#include "edge/kernels.h"
#include "edge/recogniser.h"

/* Constants, as a load wrote them, must be in memory before the NPU reads them. */
static void clean_constants(const edge_graph_t *graph, const edge_op_npu_t *op,
                            const edge_npu_t *npu) {
  const edge_plan_header_t *header = (const edge_plan_header_t *)(const void *)graph->section;
  const uint8_t *consts = graph->section + header->const_offset;
  npu->clean(npu->device, consts + EDGE_REF_OFFSET(op->stream), 4 * op->stream_words);
  if (op->weights_bytes > 0) {
    npu->clean(npu->device, consts + EDGE_REF_OFFSET(op->weights), op->weights_bytes);
  }
}

static edge_status_t attach_op(const edge_graph_t *graph, const edge_op_npu_t *op, bool first,
                               const edge_npu_t *npu) {
  if (npu == NULL) {
    return EDGE_NPU_MISSING;
  }
  edge_status_t status = edge_ethosu_identify(npu, op->config, op->id);
  if (status == EDGE_OK && first) {
    status = edge_ethosu_reset(npu);
  }
  if (status == EDGE_OK && npu->clean != NULL) {
    clean_constants(graph, op, npu);
  }
  return status;
}

edge_status_t edge_graph_attach(edge_graph_t *graph, edge_npu_t *npu) {
  const edge_plan_header_t *header = (const edge_plan_header_t *)(const void *)graph->section;
  const uint8_t *at = graph->section + header->ops_offset;
  edge_status_t status = EDGE_OK;
  bool first = true;
  for (uint32_t i = 0; i < graph->op_count && status == EDGE_OK; i++) {
    const edge_op_head_t *head = (const edge_op_head_t *)(const void *)at;
    if (edge_kernel_find(head->code)->run == edge_npu_ethosu_run) {
      status = attach_op(graph, (const edge_op_npu_t *)(const void *)at, first, npu);
      first = false;
    }
    at += 4u * head->words;
  }
  graph->npu = status == EDGE_OK ? npu : NULL;
  return status;
}

edge_status_t edge_recogniser_attach(edge_recogniser_t *r, edge_npu_t *npu) {
  edge_graph_t *const graphs[] = {&r->encoder, &r->predictor, &r->joiner, &r->adapter,
                                  &r->endpoint_graph};
  edge_status_t status = EDGE_OK;
  for (uint32_t i = 0; i < 5 && status == EDGE_OK; i++) {
    status = graphs[i]->section == NULL ? EDGE_OK : edge_graph_attach(graphs[i], npu);
  }
  return status;
}
