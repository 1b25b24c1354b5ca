/* Little-endian loads from bytes of any alignment. */
#ifndef EDGE_SRC_LOAD_H
#define EDGE_SRC_LOAD_H

#include <stdint.h>

static inline uint16_t edge_load_u16(const uint8_t *p) {
  return (uint16_t)(p[0] | (uint32_t)p[1] << 8);
}

static inline uint32_t edge_load_u32(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif
