#include <string.h>

#include "pack.h"
#include "session.h"

#define TENSOR_INPUT 0u
#define TENSOR_OUTPUT 1u
#define TENSOR_OPERATOR 2u
#define TENSOR_DATA_HEAD_BYTES 4u

/* Every request starts with the graph's number; NULL where it names none. */
static edge_graph_t *requested_graph(edge_session_t *session) {
  return edge_session_graph(session, session->decoder.payload[0]);
}

static edge_status_t find_tensor(const edge_graph_t *graph, uint8_t kind, uint32_t index,
                                 edge_tensor_t *tensor, uint32_t *code) {
  *code = 0;
  switch (kind) {
  case TENSOR_INPUT:
    return edge_graph_input(graph, index, tensor);
  case TENSOR_OUTPUT:
    return edge_graph_output(graph, index, tensor);
  case TENSOR_OPERATOR:
    return edge_graph_op(graph, index, tensor, code);
  default:
    return EDGE_BAD_ARGUMENT;
  }
}

/* The tensor that u8 graph, u8 kind, u32 index at the start of a request name. */
static edge_status_t requested_tensor(edge_session_t *session, edge_tensor_t *tensor,
                                      uint32_t *code) {
  const edge_graph_t *graph = requested_graph(session);
  const uint8_t *payload = session->decoder.payload;
  if (graph == NULL) {
    return EDGE_BAD_ARGUMENT;
  }
  return find_tensor(graph, payload[1], edge_unpack_u32(payload + 2), tensor, code);
}

static edge_status_t send_facts(edge_session_t *session) {
  const edge_graph_t *graph = requested_graph(session);
  if (graph == NULL) {
    return EDGE_BAD_ARGUMENT;
  }
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, graph->op_count);
  edge_pack_u32(&p, graph->input_count);
  edge_pack_u32(&p, graph->output_count);
  edge_pack_u32(&p, graph->arena_bytes);
  edge_pack_u32(&p, graph->state_bytes);
  edge_session_send(session, EDGE_MSG_GRAPH_FACTS, session->decoder.seq, p.used);
  return EDGE_OK;
}

/* u8 graph, u8 kind, u32 index */
static edge_status_t send_tensor_facts(edge_session_t *session) {
  edge_tensor_t tensor;
  uint32_t code;
  const edge_status_t status = requested_tensor(session, &tensor, &code);
  if (status != EDGE_OK) {
    return status;
  }
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, tensor.bytes);
  edge_pack_u32(&p, tensor.dtype);
  edge_pack_u32(&p, tensor.rank);
  for (uint32_t i = 0; i < 4; i++) {
    edge_pack_u32(&p, i < tensor.rank ? tensor.dims[i] : 1);
  }
  edge_pack_f32(&p, tensor.scale);
  edge_pack_u32(&p, (uint32_t)tensor.zero_point);
  edge_pack_u32(&p, code);
  edge_session_send(session, EDGE_MSG_TENSOR_FACTS, session->decoder.seq, p.used);
  return EDGE_OK;
}

/* u8 graph, u32 input, u32 offset, data */
static edge_status_t write_input(edge_session_t *session) {
  const edge_graph_t *graph = requested_graph(session);
  const uint8_t *payload = session->decoder.payload;
  edge_tensor_t tensor;
  if (graph == NULL) {
    return EDGE_BAD_ARGUMENT;
  }
  const edge_status_t status = edge_graph_input(graph, edge_unpack_u32(payload + 1), &tensor);
  if (status != EDGE_OK) {
    return status;
  }
  const uint32_t offset = edge_unpack_u32(payload + 5);
  const uint32_t size = session->decoder.payload_bytes - 9;
  if (offset > tensor.bytes || size > tensor.bytes - offset) {
    return EDGE_BAD_ARGUMENT;
  }
  memcpy((uint8_t *)tensor.data + offset, payload + 9, size);
  session->utterance.active = false;
  return EDGE_OK;
}

/* u8 graph, u8 kind, u32 index, u32 offset, u32 bytes */
static edge_status_t send_data(edge_session_t *session) {
  edge_tensor_t tensor;
  uint32_t code;
  const edge_status_t status = requested_tensor(session, &tensor, &code);
  if (status != EDGE_OK) {
    return status;
  }
  const uint8_t *payload = session->decoder.payload;
  const uint32_t offset = edge_unpack_u32(payload + 6);
  const uint32_t size = edge_unpack_u32(payload + 10);
  if (tensor.data == NULL || offset > tensor.bytes || size > tensor.bytes - offset ||
      size > EDGE_PAYLOAD_MAX - TENSOR_DATA_HEAD_BYTES) {
    return EDGE_BAD_ARGUMENT;
  }
  edge_packer_t p = {.data = session->payload};
  edge_pack_u32(&p, offset);
  edge_pack_bytes(&p, (const uint8_t *)tensor.data + offset, size);
  edge_session_send(session, EDGE_MSG_TENSOR_DATA, session->decoder.seq, p.used);
  return EDGE_OK;
}

/* u8 graph, u32 stop: operators [0, stop), clipped to the graph */
static edge_status_t run_graph(edge_session_t *session) {
  edge_graph_t *graph = requested_graph(session);
  if (graph == NULL) {
    return EDGE_BAD_ARGUMENT;
  }
  const uint32_t wanted = edge_unpack_u32(session->decoder.payload + 1);
  const uint32_t stop = wanted < graph->op_count ? wanted : graph->op_count;
  session->utterance.active = false;
  const uint64_t begin = edge_port_clock();
  const edge_status_t status = edge_graph_invoke_until(graph, stop);
  const uint64_t cost = edge_port_clock() - begin;
  if (status != EDGE_OK) {
    return status;
  }
  edge_packer_t p = {.data = session->payload};
  edge_pack_u64(&p, cost);
  edge_session_send(session, EDGE_MSG_RUN_COST, session->decoder.seq, p.used);
  return EDGE_OK;
}

static edge_status_t reset_graph(edge_session_t *session) {
  edge_graph_t *graph = requested_graph(session);
  if (graph == NULL) {
    return EDGE_BAD_ARGUMENT;
  }
  edge_graph_reset(graph);
  edge_session_profile(session, session->decoder.payload[1] != 0);
  session->utterance.active = false;
  return EDGE_OK;
}

bool edge_session_serve_graph(edge_session_t *session) {
  const uint8_t type = session->decoder.type;
  edge_status_t status;
  bool answered = true; /* by more than a status, where it went well */
  switch (type) {
  case EDGE_MSG_GRAPH_INFO:
    status = send_facts(session);
    break;
  case EDGE_MSG_GRAPH_TENSOR:
    status = send_tensor_facts(session);
    break;
  case EDGE_MSG_GRAPH_READ:
    status = send_data(session);
    break;
  case EDGE_MSG_GRAPH_RUN:
    status = run_graph(session);
    break;
  case EDGE_MSG_GRAPH_WRITE:
    status = write_input(session);
    answered = false;
    break;
  case EDGE_MSG_GRAPH_RESET:
    status = reset_graph(session);
    answered = false;
    break;
  default:
    return false;
  }
  if (status != EDGE_OK || !answered) {
    edge_session_answer(session, status);
  }
  return true;
}
