/* Little-endian fields of payloads, written in order into a buffer of fixed size. */
#ifndef EDGE_PACK_H
#define EDGE_PACK_H

#include <stdint.h>
#include <string.h>

typedef struct edge_packer {
  uint8_t *data;
  uint32_t used;
} edge_packer_t;

static inline void edge_pack_u8(edge_packer_t *p, uint8_t value) { p->data[p->used++] = value; }

static inline void edge_pack_u32(edge_packer_t *p, uint32_t value) {
  for (uint32_t i = 0; i < 4; i++) {
    edge_pack_u8(p, (uint8_t)(value >> (8 * i)));
  }
}

static inline void edge_pack_u64(edge_packer_t *p, uint64_t value) {
  edge_pack_u32(p, (uint32_t)value);
  edge_pack_u32(p, (uint32_t)(value >> 32));
}

static inline void edge_pack_f32(edge_packer_t *p, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  edge_pack_u32(p, bits);
}

static inline void edge_pack_bytes(edge_packer_t *p, const void *data, uint32_t size) {
  if (size > 0) {
    memcpy(p->data + p->used, data, size);
    p->used += size;
  }
}

/* A text of at most 255 bytes: u8 length, then the bytes. */
static inline void edge_pack_text(edge_packer_t *p, const char *text) {
  const size_t length = strlen(text);
  const uint8_t kept = (uint8_t)(length > 255 ? 255 : length);
  edge_pack_u8(p, kept);
  edge_pack_bytes(p, text, kept);
}

static inline uint32_t edge_unpack_u32(const uint8_t *data) {
  return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
         (uint32_t)data[3] << 24;
}

#endif
