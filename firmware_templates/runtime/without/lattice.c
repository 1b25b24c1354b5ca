/* In place of src/lattice.c where an image asks for the best tokens alone: refuses one that asks
 * for more, and is nothing else. */
#include "edge/lattice.h"

edge_status_t edge_lattice_open(const edge_search_t *search) {
  return search->nbest == 0 && search->max_arcs == 0 ? EDGE_OK : EDGE_NO_PART;
}

void edge_lattice_build(edge_search_t *search, const edge_tokens_t *tokens) {
  (void)search, (void)tokens;
}

void edge_lattice_write(const edge_search_t *search, const edge_tokens_t *tokens,
                        const edge_sink_t *sink) {
  (void)search, (void)tokens, (void)sink;
}
