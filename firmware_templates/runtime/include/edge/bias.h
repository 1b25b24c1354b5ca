/* Contextual biasing by tables: an automaton over tokens that adds to a hypothesis' score while it
 * spells a phrase, and takes back what a phrase that breaks off has got (docs/biasing.md).
 *
 * A node stands for the longest end of a hypothesis that starts a phrase. Its potential is what an
 * unfinished phrase has got so far; its value is the potential and the boosts that are kept because
 * phrases end there. A token moves from node s to node n and adds value(n) - potential(s).
 * Emitting nothing (the blank) moves nothing and adds nothing, whatever `deltas` says of it.
 *
 * A refund is due on the way of every hypothesis that leaves a phrase. A search that keeps only one
 * hypothesis cannot compare it with another: it would rather emit nothing than pay. Let the model
 * alone decide whether such a search emits a token, and the table only which. */
#ifndef EDGE_BIAS_H
#define EDGE_BIAS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/status.h"

#define EDGE_BIAS_MAGIC 0x54414942u /* "BIAT" */
#define EDGE_BIAS_TABLES 4u         /* active at once */
#define EDGE_BIAS_NAME_BYTES 32u    /* of a table, with at least one terminating 0 */
#define EDGE_BIAS_MAX_NODES 65535u
#define EDGE_BIAS_MAX_DEPTH 128u      /* tokens of a phrase; bounds the work per token */
#define EDGE_BIAS_MAX_SCORE (1 << 28) /* Q16.16, so that the deltas of all tables fit an int32 */

/* One table, a view of its bytes: nodes in the order of breadth-first search, so that the children
 * of node n are nodes first[n] .. first[n + 1] - 1, their tokens ascending. Or, for
 * edge/attention.h, `rows` of numbers, as many as there are nodes; then what follows `rows` is
 * NULL. */
typedef struct edge_bias_table {
  const uint8_t *data;
  uint32_t bytes;
  uint32_t nodes;
  uint32_t phrases;         /* that it was made from */
  const char *name;         /* terminated */
  const int8_t *rows;       /* NULL: a table of nodes */
  const int32_t *potential; /* Q16.16 */
  const int32_t *value;     /* Q16.16: potential and the boosts kept on arrival */
  const uint16_t *first;    /* nodes + 1 */
  const uint16_t *token;    /* that leads from the parent */
  const uint16_t *fail;     /* node of the longest shorter end that starts a phrase */
} edge_bias_table_t;

/* The active tables, of the search's vocabulary. */
typedef struct edge_bias {
  uint32_t count;
  edge_bias_table_t table[EDGE_BIAS_TABLES];
} edge_bias_t;

/* Where a hypothesis stands in each active table; all zero at the start of an utterance. */
typedef struct edge_bias_state {
  uint16_t node[EDGE_BIAS_TABLES];
} edge_bias_state_t;

/* Validate a table, which stays valid, starts at a multiple of 4 and has to be `size` bytes long:
 * every index, and that the links are those of its tree. `vocab` and `tokens_crc`, the CRC-32 of
 * the image's TOKS section, are those that it must have been made for. */
edge_status_t edge_bias_table_open(edge_bias_table_t *table, const uint8_t *data, uint32_t size,
                                   uint32_t vocab, uint32_t tokens_crc);

/* The view of bytes that edge_bias_table_open or edge_attention_table_open has accepted, perhaps at
 * another place. */
void edge_bias_table_view(edge_bias_table_t *table, const uint8_t *data);

/* deltas[k] (natural log, Q16.16) = what token k adds to the bias score from `state`. Returns false
 * and leaves deltas alone where no table is active. `vocab` is the tables' own. */
bool edge_bias_deltas(const edge_bias_t *bias, const edge_bias_state_t *state, int32_t *deltas,
                      uint32_t vocab);

/* Move on by a token that was emitted. */
void edge_bias_step(const edge_bias_t *bias, edge_bias_state_t *state, uint32_t token);

/* What the end of the utterance adds: the refund of unfinished phrases, at most 0. */
int32_t edge_bias_finish(const edge_bias_t *bias, const edge_bias_state_t *state);

#endif
