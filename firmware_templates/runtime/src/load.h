/* Little-endian loads from image data at any alignment, and bounds of tables inside a section. */
#ifndef EDGE_LOAD_H
#define EDGE_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t edge_load_u16(const uint8_t *from) {
  return (uint32_t)from[0] | (uint32_t)from[1] << 8;
}

static inline uint32_t edge_load_u32(const uint8_t *from) {
  return edge_load_u16(from) | edge_load_u16(from + 2) << 16;
}

static inline int32_t edge_load_i32(const uint8_t *from) {
  const uint32_t bits = edge_load_u32(from);
  int32_t value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float edge_load_f32(const uint8_t *from) {
  const uint32_t bits = edge_load_u32(from);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* `count` elements of `width` bytes at `offset` lie within `size` bytes. width > 0. */
static inline bool edge_table_fits(uint32_t size, uint32_t offset, uint32_t count, uint32_t width) {
  return offset <= size && count <= (size - offset) / width;
}

/* Reserved bytes. */
static inline bool edge_all_zero(const uint8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (from[i] != 0) {
      return false;
    }
  }
  return true;
}

#endif
