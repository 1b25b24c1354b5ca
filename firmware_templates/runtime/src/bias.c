#include "edge/bias.h"

#include <stddef.h>

#include "bias_table.h"
#include "load.h"

#define HEADER_BYTES EDGE_TABLE_HEADER_BYTES
#define MAX_VOCAB 65536u

static uint32_t table_bytes(uint32_t nodes) {
  const uint32_t bytes = HEADER_BYTES + 8 * nodes + 2 * (3 * nodes + 1);
  return (bytes + 15u) & ~15u;
}

bool edge_table_head_valid(const uint8_t *table) {
  const uint8_t *name = table + EDGE_TABLE_NAME;
  uint32_t length = 0;
  while (length < EDGE_BIAS_NAME_BYTES && name[length] != 0) {
    const uint8_t c = name[length++];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.') {
      return false;
    }
  }
  return length > 0 && length < EDGE_BIAS_NAME_BYTES &&
         edge_all_zero(name + length, EDGE_BIAS_NAME_BYTES - length) &&
         edge_all_zero(table + EDGE_TABLE_RESERVED, EDGE_TABLE_NAME - EDGE_TABLE_RESERVED);
}

static bool scores_valid(const edge_bias_table_t *t) {
  for (uint32_t n = 0; n < t->nodes; n++) {
    if (t->potential[n] < 0 || t->potential[n] > t->value[n] || t->value[n] > EDGE_BIAS_MAX_SCORE) {
      return false;
    }
  }
  return t->value[0] == 0;
}

/* The children's ranges follow each other without gaps behind their parents, so that every node but
 * the first has one parent; and no path is too long. */
static bool tree_valid(const edge_bias_table_t *t, uint32_t vocab) {
  if (t->first[0] != 1 || t->first[t->nodes] != t->nodes || t->token[0] != 0) {
    return false;
  }
  for (uint32_t n = 0; n < t->nodes; n++) {
    const uint32_t end = t->first[n + 1];
    if (t->first[n] <= n || end < t->first[n] || end > t->nodes) {
      return false;
    }
    for (uint32_t c = t->first[n]; c < end; c++) {
      if (t->token[c] >= vocab || (c > t->first[n] && t->token[c] <= t->token[c - 1])) {
        return false;
      }
    }
  }
  uint32_t begin = 0, end = 1; /* the nodes of one depth */
  for (uint32_t depth = 0; begin < end; depth++) {
    if (depth > EDGE_BIAS_MAX_DEPTH) {
      return false;
    }
    begin = t->first[begin];
    end = t->first[end];
  }
  return true;
}

/* The child of `node` by `token`, 0 where it has none: binary search. */
static uint32_t child(const edge_bias_table_t *t, uint32_t node, uint32_t token) {
  uint32_t low = t->first[node], high = t->first[node + 1];
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (t->token[middle] == token) {
      return middle;
    }
    if (t->token[middle] < token) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return 0;
}

/* Where `token` leads to: every failure link leads to a shallower node. */
static uint32_t next(const edge_bias_table_t *t, uint32_t node, uint32_t token) {
  uint32_t found = child(t, node, token);
  while (found == 0 && node != 0) {
    node = t->fail[node];
    found = child(t, node, token);
  }
  return found;
}

/* By the order of the nodes, the links that `next` follows here have been checked before; so they
 * end, because each led to a shallower node. */
static bool links_valid(const edge_bias_table_t *t) {
  for (uint32_t n = 0; n < t->nodes; n++) {
    for (uint32_t c = t->first[n]; c < t->first[n + 1]; c++) {
      if (t->fail[c] != (n == 0 ? 0 : next(t, t->fail[n], t->token[c]))) {
        return false;
      }
    }
  }
  return t->fail[0] == 0;
}

void edge_bias_table_view(edge_bias_table_t *t, const uint8_t *data) {
  *t = (edge_bias_table_t){.data = data};
  t->bytes = edge_load_u32(data + 4);
  t->nodes = edge_load_u32(data + 8);
  t->phrases = edge_load_u32(data + 12);
  t->name = (const char *)(data + EDGE_TABLE_NAME);
  if (edge_load_u32(data) != EDGE_BIAS_MAGIC) {
    t->rows = (const int8_t *)(data + HEADER_BYTES);
    return;
  }
  t->potential = (const int32_t *)(const void *)(data + HEADER_BYTES);
  t->value = t->potential + t->nodes;
  t->first = (const uint16_t *)(const void *)(t->value + t->nodes);
  t->token = t->first + t->nodes + 1;
  t->fail = t->token + t->nodes;
}

edge_status_t edge_bias_table_open(edge_bias_table_t *t, const uint8_t *data, uint32_t size,
                                   uint32_t vocab, uint32_t tokens_crc) {
  *t = (edge_bias_table_t){0};
  if (size < HEADER_BYTES) {
    return EDGE_TRUNCATED;
  }
  if (((uintptr_t)data & 3u) != 0 || vocab > MAX_VOCAB) {
    return EDGE_BAD_ARGUMENT;
  }
  if (edge_load_u32(data) != EDGE_BIAS_MAGIC) {
    return EDGE_BAD_MAGIC;
  }
  const uint32_t nodes = edge_load_u32(data + 8);
  if (nodes < 1 || nodes > EDGE_BIAS_MAX_NODES || edge_load_u32(data + 4) != table_bytes(nodes)) {
    return EDGE_BAD_LAYOUT;
  }
  if (size != table_bytes(nodes)) {
    return size < table_bytes(nodes) ? EDGE_TRUNCATED : EDGE_BAD_LAYOUT;
  }
  if (edge_load_u32(data + 16) != vocab || edge_load_u32(data + 20) != tokens_crc) {
    return EDGE_FOREIGN;
  }
  edge_bias_table_t found;
  edge_bias_table_view(&found, data);
  const uint8_t *end = (const uint8_t *)(found.fail + nodes);
  const bool valid = edge_table_head_valid(data) &&
                     edge_all_zero(end, (uint32_t)(data + size - end)) && scores_valid(&found) &&
                     tree_valid(&found, vocab) && links_valid(&found);
  if (!valid) {
    return EDGE_BAD_LAYOUT;
  }
  *t = found;
  return EDGE_OK;
}

/* A state of other tables than these counts as the start. */
static uint32_t node_in(const edge_bias_table_t *t, uint16_t node) {
  return node < t->nodes ? node : 0;
}

/* Of all nodes on the chain of failures, the deepest that goes on with a token decides about it.
 * Its child c has the next one's as failure link, so the differences of value along the chain sum
 * up to value(c), in any order and for all tables at once. */
static void add_deltas(const edge_bias_table_t *t, uint32_t node, int32_t *deltas) {
  for (;;) {
    for (uint32_t c = t->first[node]; c < t->first[node + 1]; c++) {
      deltas[t->token[c]] += t->value[c] - t->value[t->fail[c]];
    }
    if (node == 0) {
      return;
    }
    node = t->fail[node];
  }
}

bool edge_bias_deltas(const edge_bias_t *bias, const edge_bias_state_t *state, int32_t *deltas,
                      uint32_t vocab) {
  if (bias->count == 0) {
    return false;
  }
  const int32_t refund = edge_bias_finish(bias, state);
  for (uint32_t k = 0; k < vocab; k++) {
    deltas[k] = refund;
  }
  for (uint32_t i = 0; i < bias->count; i++) {
    const edge_bias_table_t *t = &bias->table[i];
    add_deltas(t, node_in(t, state->node[i]), deltas);
  }
  return true;
}

void edge_bias_step(const edge_bias_t *bias, edge_bias_state_t *state, uint32_t token) {
  for (uint32_t i = 0; i < bias->count; i++) {
    const edge_bias_table_t *t = &bias->table[i];
    state->node[i] = (uint16_t)next(t, node_in(t, state->node[i]), token);
  }
}

int32_t edge_bias_finish(const edge_bias_t *bias, const edge_bias_state_t *state) {
  int32_t refund = 0;
  for (uint32_t i = 0; i < bias->count; i++) {
    const edge_bias_table_t *t = &bias->table[i];
    refund -= t->potential[node_in(t, state->node[i])];
  }
  return refund;
}
