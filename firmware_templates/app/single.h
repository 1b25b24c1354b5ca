/* A single graph and the NPU in a port's memory, for whatever protocol serves them. */
#ifndef EDGE_SINGLE_H
#define EDGE_SINGLE_H

#include <stddef.h>
#include <stdint.h>

#include "edge/graph.h"
#include "edge/image.h"
#include "edge/port.h"
#include "edge/status.h"

/* The board's NPU; none in a build without its kernel, which so has nothing to tell of it. */
static inline edge_npu_t *edge_npu_of(const edge_port_info_t *port) {
#if defined(EDGE_KERNELS_ONLY) && !defined(EDGE_USE_NPU_ETHOSU)
  (void)port;
  return NULL;
#else
  return port->npu;
#endif
}

/* Open a graph whose arena and states lie at the start of the workspace. */
static inline edge_status_t edge_single_open(edge_graph_t *graph, const edge_span_t *section,
                                             const edge_port_info_t *port) {
  edge_status_t status = edge_graph_open(graph, section->data, section->size);
  if (status != EDGE_OK) {
    return status;
  }
  const uint64_t arena_bytes = ((uint64_t)graph->arena_bytes + 15u) & ~(uint64_t)15u;
  if (arena_bytes + graph->state_bytes > port->workspace_bytes) {
    return EDGE_NO_MEMORY;
  }
  status = edge_graph_bind(graph, port->workspace, port->workspace + arena_bytes);
  return status == EDGE_OK ? edge_graph_attach(graph, edge_npu_of(port)) : status;
}

#endif
