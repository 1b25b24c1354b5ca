/* What a finished search found: its best hypotheses, and a lattice of words that holds all of them.
 * docs/protocol.md has the bytes. */
#ifndef EDGE_LATTICE_H
#define EDGE_LATTICE_H

#include <stdint.h>

#include "edge/search.h"
#include "edge/tokens.h"

/* Takes bytes, in order. */
typedef struct edge_sink {
  void *context;
  void (*write)(void *context, const uint8_t *data, uint32_t size);
} edge_sink_t;

/* EDGE_OK, or EDGE_NO_PART where the search asks for results that this firmware cannot write. */
edge_status_t edge_lattice_open(const edge_search_t *search);

/* Build the lattice of a search that has ended: a path per hypothesis, the best one first, while
 * its memory holds whole paths. Paths share what they begin with, and what they end with where
 * words, times and all that follows are the same; the scores along each path still add up to its
 * hypothesis's. */
void edge_lattice_build(edge_search_t *search, const edge_tokens_t *tokens);

/* Write the results of a search whose lattice is built; the same bytes every time. */
void edge_lattice_write(const edge_search_t *search, const edge_tokens_t *tokens,
                        const edge_sink_t *sink);

#endif
