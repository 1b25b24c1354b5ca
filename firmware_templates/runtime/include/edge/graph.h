/* A lowered graph: a flat plan of operator records, walked in place.
 *
 * A graph section holds the plan and its constants. edge_graph_open validates every record once
 * (bounds of every buffer, parameters of every operator); afterwards nothing is checked again.
 * Buffers live in three spaces: constants (in the section), one arena (scratch, undefined between
 * invokes; graphs may share it) and one state block (kept between invokes, never shared). */
#ifndef EDGE_GRAPH_H
#define EDGE_GRAPH_H

#include <stdint.h>

#include "edge/npu.h"
#include "edge/status.h"

typedef enum edge_dtype {
  EDGE_S8 = 1,
  EDGE_U8 = 2,
  EDGE_S16 = 3,
  EDGE_S32 = 4,
  EDGE_S64 = 5,
} edge_dtype_t;

typedef struct edge_tensor {
  void *data;     /* in the arena or the state block; NULL before edge_graph_bind */
  uint32_t bytes; /* size of the whole tensor */
  uint8_t dtype;  /* edge_dtype_t */
  uint8_t rank;   /* 0..4 */
  uint32_t dims[4];
  float scale; /* real = scale * (q - zero_point); 0 where not quantised */
  int32_t zero_point;
} edge_tensor_t;

typedef uint64_t (*edge_clock_fn)(void); /* instructions or cycles, monotonic */

typedef struct edge_graph {
  const uint8_t *section;
  uint32_t section_bytes;
  uint32_t op_count;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t arena_bytes; /* needed at 16-byte alignment */
  uint32_t state_bytes; /* needed at 16-byte alignment */
  uint8_t *arena;
  uint8_t *state;
  edge_clock_fn clock; /* NULL: no profile */
  uint64_t *op_cost;   /* op_count sums of clock differences, caller's; NULL: no profile */
  edge_npu_t *npu;     /* NULL: none */
} edge_graph_t;

/* Validate a section and fill sizes; bind nothing. `section` is 16-byte aligned and stays valid. */
edge_status_t edge_graph_open(edge_graph_t *graph, const uint8_t *section, uint32_t size);

/* Give the graph its memory, 16-byte aligned, of arena_bytes and state_bytes, and reset it. */
edge_status_t edge_graph_bind(edge_graph_t *graph, void *arena, void *state);

/* Give the graph the device's NPU, or NULL for none: before the first run where it has steps for
 * one. The NPU is compared with what they were compiled for, and reset: EDGE_NPU_MISSING,
 * EDGE_NPU_CONFIG, EDGE_NPU_TIMEOUT or EDGE_NPU_SECURITY. */
edge_status_t edge_graph_attach(edge_graph_t *graph, edge_npu_t *npu);

/* Set the state block to its start value. */
void edge_graph_reset(edge_graph_t *graph);

/* Run operators [0, op_count). Write all inputs through edge_graph_input before every run: a run
 * may use their memory for other tensors. Inputs in the state block stay until a reset. */
edge_status_t edge_graph_invoke(edge_graph_t *graph);

/* Run operators [0, stop) only: for finding the first operator that differs. */
edge_status_t edge_graph_invoke_until(edge_graph_t *graph, uint32_t stop);

edge_status_t edge_graph_input(const edge_graph_t *graph, uint32_t index, edge_tensor_t *out);
edge_status_t edge_graph_output(const edge_graph_t *graph, uint32_t index, edge_tensor_t *out);

/* Output buffer of operator `op` (valid right after edge_graph_invoke_until(graph, op + 1)) and
 * its operator code, for validation and profiles. */
edge_status_t edge_graph_op(const edge_graph_t *graph, uint32_t op, edge_tensor_t *out,
                            uint32_t *code);

#endif
