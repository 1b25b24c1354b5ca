/* Token ids to text: the image's TOKS section. */
#ifndef EDGE_TOKENS_H
#define EDGE_TOKENS_H

#include <stdint.h>

#include "edge/status.h"

typedef struct edge_tokens {
  uint32_t count;
  const uint8_t *offsets; /* u32[count + 1], any alignment */
  const uint8_t *text;
} edge_tokens_t;

/* Validate a TOKS section, of any alignment, which stays valid. */
edge_status_t edge_tokens_open(edge_tokens_t *tokens, const uint8_t *section, uint32_t size);

/* UTF-8 piece of a token, not terminated. */
edge_status_t edge_tokens_piece(const edge_tokens_t *tokens, int32_t token, const uint8_t **piece,
                                uint32_t *bytes);

/* Append a token to `text`, which holds *length bytes of UTF-8 and a terminating 0 in `capacity`.
 * The word mark U+2581 becomes a space, left out at the start. A piece that does not fit is left
 * out whole: EDGE_NO_MEMORY. */
edge_status_t edge_tokens_append(const edge_tokens_t *tokens, int32_t token, char *text,
                                 uint32_t capacity, uint32_t *length);

#endif
