/* Opening and walking a graph section. */
#include "edge/graph.h"

#include <stddef.h>
#include <string.h>

#include "../kernels/check.h"
#include "edge/kernels.h"
#include "edge/plan.h"

#define EDGE_KERNEL(NAME, name, code, record)                                                      \
  edge_status_t edge_##name##_check(const edge_plan_t *plan, const void *op);                      \
  edge_status_t edge_##name##_run(const edge_memory_t *memory, const void *op);
#include "../kernels/kernels.def"
#undef EDGE_KERNEL

static const edge_kernel_t kernels[] = {
#define EDGE_KERNEL(NAME, name, code, record)                                                      \
  {(code), sizeof(record), edge_##name##_check, edge_##name##_run},
#include "../kernels/kernels.def"
#undef EDGE_KERNEL
};

const edge_kernel_t *edge_kernel_find(uint32_t code) {
  for (uint32_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    if (kernels[i].code == code)
      return &kernels[i];
  }
  return NULL;
}

static const edge_plan_header_t *header_of(const uint8_t *section) {
  return (const edge_plan_header_t *)(const void *)section;
}

static const edge_plan_io_t *io_of(const uint8_t *section, uint32_t index) {
  return (const edge_plan_io_t *)(const void *)(section + header_of(section)->io_offset) + index;
}

static const edge_op_head_t *first_op(const uint8_t *section) {
  return (const edge_op_head_t *)(const void *)(section + header_of(section)->ops_offset);
}

static const edge_op_head_t *next_op(const edge_op_head_t *op) {
  return (const edge_op_head_t *)(const void *)((const uint8_t *)op + 4u * op->words);
}

/* A table of the section: aligned and inside. */
static bool table_ok(uint32_t size, uint32_t offset, uint64_t bytes, uint32_t align) {
  return offset % align == 0 && offset >= EDGE_PLAN_HEADER_BYTES && offset <= size &&
         bytes <= size - offset;
}

EDGE_RARE static edge_status_t check_header(const edge_plan_header_t *h, uint32_t size) {
  uint64_t io_bytes = ((uint64_t)h->input_count + h->output_count) * EDGE_PLAN_IO_BYTES;
  uint64_t fill_bytes = (uint64_t)h->fill_count * EDGE_PLAN_FILL_BYTES;
  if (h->op_count == 0 || h->op_count > EDGE_PLAN_MAX_OPS || h->input_count > EDGE_PLAN_MAX_IO ||
      h->output_count == 0 || h->output_count > EDGE_PLAN_MAX_IO ||
      !table_ok(size, h->ops_offset, h->ops_bytes, 4) ||
      !table_ok(size, h->io_offset, io_bytes, 4) ||
      !table_ok(size, h->const_offset, h->const_bytes, 16) ||
      !table_ok(size, h->fill_offset, fill_bytes, 4) || h->arena_bytes > EDGE_PLAN_MAX_BYTES ||
      h->state_bytes > EDGE_PLAN_MAX_BYTES || (h->arena_bytes | h->state_bytes) % 16 != 0)
    return EDGE_BAD_LAYOUT;
  for (uint32_t i = 0; i < 4; i++) {
    if (h->reserved[i] != 0)
      return EDGE_BAD_LAYOUT;
  }
  return EDGE_OK;
}

static uint32_t dtype_width(uint32_t dtype) {
  static const uint8_t widths[6] = {0, 1, 1, 2, 4, 8};
  return dtype < 6 ? widths[dtype] : 0;
}

EDGE_RARE static edge_status_t check_io(const edge_plan_t *plan, const edge_plan_io_t *io,
                                        bool is_input) {
  uint32_t width = dtype_width(io->dtype);
  if (width == 0 || io->rank > 4 || io->zero != 0 || io->reserved != 0)
    return EDGE_BAD_LAYOUT;
  uint32_t count = edge_product(io->dims, io->rank);
  if (count == EDGE_TOO_MANY || io->bytes != edge_product2(count, width) ||
      !edge_may_read(plan, io->ref, count, width) ||
      (is_input && EDGE_REF_SPACE(io->ref) == EDGE_SPACE_CONST))
    return EDGE_BAD_LAYOUT;
  return EDGE_OK;
}

EDGE_RARE static edge_status_t check_fills(const uint8_t *section) {
  const edge_plan_header_t *h = header_of(section);
  const edge_plan_fill_t *fills =
      (const edge_plan_fill_t *)(const void *)(section + h->fill_offset);
  for (uint32_t i = 0; i < h->fill_count; i++) {
    uint32_t bytes = edge_product2(fills[i].count, fills[i].width);
    if ((fills[i].width != 1 && fills[i].width != 2 && fills[i].width != 4) ||
        bytes > h->state_bytes || fills[i].offset > h->state_bytes - bytes)
      return EDGE_BAD_LAYOUT;
  }
  return EDGE_OK;
}

EDGE_RARE static edge_status_t check_ops(const edge_plan_t *plan, const uint8_t *section) {
  const edge_plan_header_t *h = header_of(section);
  const edge_op_head_t *op = first_op(section);
  uint32_t left = h->ops_bytes;
  for (uint32_t i = 0; i < h->op_count; i++) {
    if (left < sizeof *op || 4u * op->words > left)
      return EDGE_BAD_LAYOUT;
    const edge_kernel_t *kernel = edge_kernel_find(op->code);
    if (kernel == NULL)
      return EDGE_NO_KERNEL;
    if (4u * op->words != kernel->record_bytes)
      return EDGE_BAD_OPERATOR;
    edge_status_t status = kernel->check(plan, op);
    if (status != EDGE_OK)
      return status;
    left -= kernel->record_bytes;
    op = next_op(op);
  }
  return left == 0 ? EDGE_OK : EDGE_BAD_LAYOUT;
}

EDGE_RARE static edge_status_t check_section(const uint8_t *section, uint32_t size) {
  if (size < EDGE_PLAN_HEADER_BYTES)
    return EDGE_TRUNCATED;
  const edge_plan_header_t *h = header_of(section);
  edge_status_t status = check_header(h, size);
  if (status != EDGE_OK)
    return status;
  const edge_plan_t plan = {section + h->const_offset, h->const_bytes, h->arena_bytes,
                            h->state_bytes};
  for (uint32_t i = 0; i < h->input_count + h->output_count; i++) {
    status = check_io(&plan, io_of(section, i), i < h->input_count);
    if (status != EDGE_OK)
      return status;
  }
  status = check_fills(section);
  return status == EDGE_OK ? check_ops(&plan, section) : status;
}

EDGE_RARE edge_status_t edge_graph_open(edge_graph_t *graph, const uint8_t *section,
                                        uint32_t size) {
  if (graph == NULL || section == NULL || (uintptr_t)section % 16 != 0)
    return EDGE_BAD_ARGUMENT;
  memset(graph, 0, sizeof *graph);
  edge_status_t status = check_section(section, size);
  if (status != EDGE_OK)
    return status;
  const edge_plan_header_t *h = header_of(section);
  graph->section = section;
  graph->section_bytes = size;
  graph->op_count = h->op_count;
  graph->input_count = h->input_count;
  graph->output_count = h->output_count;
  graph->arena_bytes = h->arena_bytes;
  graph->state_bytes = h->state_bytes;
  return EDGE_OK;
}

edge_status_t edge_graph_bind(edge_graph_t *graph, void *arena, void *state) {
  if ((graph->arena_bytes > 0 && arena == NULL) || (graph->state_bytes > 0 && state == NULL) ||
      ((uintptr_t)arena | (uintptr_t)state) % 16 != 0)
    return EDGE_BAD_ARGUMENT;
  graph->arena = (uint8_t *)arena;
  graph->state = (uint8_t *)state;
  edge_graph_reset(graph);
  return EDGE_OK;
}

void edge_graph_reset(edge_graph_t *graph) {
  const edge_plan_header_t *h = header_of(graph->section);
  const edge_plan_fill_t *fill =
      (const edge_plan_fill_t *)(const void *)(graph->section + h->fill_offset);
  if (graph->state_bytes > 0)
    memset(graph->state, 0, graph->state_bytes);
  for (uint32_t i = 0; i < h->fill_count; i++, fill++) {
    uint8_t *out = graph->state + fill->offset;
    for (uint32_t k = 0; k < fill->count * fill->width; k++)
      out[k] = (uint8_t)((uint32_t)fill->value >> (8 * (k % fill->width)));
  }
}

/* Bases of the spaces. Constants are never written: no check accepts an output there. */
static edge_memory_t memory_of(const edge_graph_t *graph) {
  const uint8_t *consts = graph->section + header_of(graph->section)->const_offset;
  edge_memory_t memory = {{NULL, (uint8_t *)(uintptr_t)consts, graph->arena, graph->state},
                          graph->npu};
  return memory;
}

edge_status_t edge_graph_invoke(edge_graph_t *graph) {
  return edge_graph_invoke_until(graph, graph->op_count);
}

edge_status_t edge_graph_invoke_until(edge_graph_t *graph, uint32_t stop) {
  if (graph->arena == NULL && graph->arena_bytes > 0)
    return EDGE_BAD_STATE;
  if (stop > graph->op_count)
    return EDGE_BAD_ARGUMENT;
  const edge_memory_t memory = memory_of(graph);
  const edge_op_head_t *op = first_op(graph->section);
  bool profile = graph->clock != NULL && graph->op_cost != NULL;
  for (uint32_t i = 0; i < stop; i++, op = next_op(op)) {
    uint64_t start = profile ? graph->clock() : 0;
    edge_status_t status = edge_kernel_find(op->code)->run(&memory, op);
    if (status != EDGE_OK)
      return status;
    if (profile)
      graph->op_cost[i] += graph->clock() - start;
  }
  return EDGE_OK;
}

static edge_status_t describe(const edge_graph_t *graph, uint32_t index, edge_tensor_t *out) {
  const edge_plan_io_t *io = io_of(graph->section, index);
  const edge_memory_t memory = memory_of(graph);
  out->data = graph->arena == NULL && graph->arena_bytes > 0 ? NULL : edge_at(&memory, io->ref);
  out->bytes = io->bytes;
  out->dtype = io->dtype;
  out->rank = io->rank;
  memcpy(out->dims, io->dims, sizeof out->dims);
  out->scale = io->scale;
  out->zero_point = io->zero_point;
  return EDGE_OK;
}

edge_status_t edge_graph_input(const edge_graph_t *graph, uint32_t index, edge_tensor_t *out) {
  return index < graph->input_count ? describe(graph, index, out) : EDGE_BAD_ARGUMENT;
}

edge_status_t edge_graph_output(const edge_graph_t *graph, uint32_t index, edge_tensor_t *out) {
  return index < graph->output_count ? describe(graph, graph->input_count + index, out)
                                     : EDGE_BAD_ARGUMENT;
}

edge_status_t edge_graph_op(const edge_graph_t *graph, uint32_t op, edge_tensor_t *out,
                            uint32_t *code) {
  if (op >= graph->op_count)
    return EDGE_BAD_ARGUMENT;
  const edge_op_head_t *head = first_op(graph->section);
  for (uint32_t i = 0; i < op; i++)
    head = next_op(head);
  const edge_memory_t memory = memory_of(graph);
  memset(out, 0, sizeof *out);
  out->data = graph->arena == NULL && graph->arena_bytes > 0 ? NULL : edge_at(&memory, head->out);
  out->bytes = head->out_bytes;
  out->dtype = (uint8_t)head->out_dtype;
  out->rank = 1;
  uint32_t width = dtype_width(head->out_dtype);
  out->dims[0] = width > 0 ? head->out_bytes / width : head->out_bytes;
  *code = head->code;
  return EDGE_OK;
}
