#include "edge/tokens.h"

#include "load.h"

#define MAX_TOKENS 65536u

edge_status_t edge_tokens_open(edge_tokens_t *tokens, const uint8_t *section, uint32_t size) {
  *tokens = (edge_tokens_t){0};
  if (size < 8) {
    return EDGE_TRUNCATED;
  }
  const uint32_t count = edge_load_u32(section);
  const uint32_t text_bytes = edge_load_u32(section + 4);
  if (count < 1 || count > MAX_TOKENS) {
    return EDGE_BAD_LAYOUT;
  }
  const uint32_t text_offset = 8 + 4 * (count + 1);
  if (!edge_table_fits(size, text_offset, text_bytes, 1)) {
    return EDGE_TRUNCATED;
  }
  uint32_t last = 0;
  for (uint32_t i = 0; i <= count; i++) {
    const uint32_t offset = edge_load_u32(section + 8 + 4 * i);
    if (offset < last || offset > text_bytes || (i == 0 && offset != 0)) {
      return EDGE_BAD_LAYOUT;
    }
    last = offset;
  }
  if (last != text_bytes) {
    return EDGE_BAD_LAYOUT;
  }
  *tokens = (edge_tokens_t){count, section + 8, section + text_offset};
  return EDGE_OK;
}

edge_status_t edge_tokens_piece(const edge_tokens_t *tokens, int32_t token, const uint8_t **piece,
                                uint32_t *bytes) {
  if (token < 0 || (uint32_t)token >= tokens->count) {
    return EDGE_BAD_ARGUMENT;
  }
  const uint8_t *entry = tokens->offsets + 4 * (uint32_t)token;
  const uint32_t start = edge_load_u32(entry);
  *piece = tokens->text + start;
  *bytes = edge_load_u32(entry + 4) - start;
  return EDGE_OK;
}

edge_status_t edge_tokens_append(const edge_tokens_t *tokens, int32_t token, char *text,
                                 uint32_t capacity, uint32_t *length) {
  const uint8_t *piece;
  uint32_t bytes;
  const edge_status_t status = edge_tokens_piece(tokens, token, &piece, &bytes);
  if (status != EDGE_OK) {
    return status;
  }
  if (*length >= capacity) {
    return EDGE_BAD_ARGUMENT;
  }
  uint32_t end = *length;
  for (uint32_t i = 0; i < bytes;) {
    const bool mark = bytes - i >= 3 && memcmp(piece + i, "\xe2\x96\x81", 3) == 0;
    const char next = mark ? ' ' : (char)piece[i];
    i += mark ? 3 : 1;
    if (next == ' ' && end == 0) {
      continue;
    }
    if (end + 1 == capacity) {
      text[*length] = '\0';
      return EDGE_NO_MEMORY;
    }
    text[end++] = next;
  }
  text[end] = '\0';
  *length = end;
  return EDGE_OK;
}
