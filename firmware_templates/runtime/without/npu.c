/* In place of src/npu.c where no graph has steps for an NPU; such a build lacks their kernel, and
 * refuses an image that needs it. */
#include "edge/graph.h"
#include "edge/recogniser.h"

edge_status_t edge_graph_attach(edge_graph_t *graph, edge_npu_t *npu) {
  (void)graph, (void)npu;
  return EDGE_OK;
}

edge_status_t edge_recogniser_attach(edge_recogniser_t *r, edge_npu_t *npu) {
  (void)r, (void)npu;
  return EDGE_OK;
}
