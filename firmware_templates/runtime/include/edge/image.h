/* The .edge image: header, section table, sections. docs/image.md has it byte for byte.
 *
 * All integers are little-endian. Sections start at multiples of 16 bytes from the image's start.
 * A tag whose first letter is lower case belongs to the host (original .tflite files, samples,
 * names) and is absent from the copy that goes to a device. */
#ifndef EDGE_IMAGE_H
#define EDGE_IMAGE_H

#include <stdint.h>

#include "edge/status.h"

#define EDGE_IMAGE_VERSION 1u
#define EDGE_IMAGE_HEADER_BYTES 32u /* magic "EDGE", u16 version, u16 sections, u32 bytes, ... */
#define EDGE_IMAGE_ENTRY_BYTES 16u  /* u32 tag, u32 offset, u32 size, u32 crc32 */
#define EDGE_IMAGE_MAX_SECTIONS 32u

#define EDGE_TAG(a, b, c, d)                                                                       \
  ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define EDGE_TAG_FEATURES EDGE_TAG('F', 'E', 'A', 'T')
#define EDGE_TAG_TOKENS EDGE_TAG('T', 'O', 'K', 'S')
#define EDGE_TAG_SEARCH EDGE_TAG('S', 'R', 'C', 'H')
#define EDGE_TAG_BIAS EDGE_TAG('B', 'I', 'A', 'S')           /* may lack */
#define EDGE_TAG_ENDPOINT EDGE_TAG('E', 'N', 'D', 'P')       /* may lack */
#define EDGE_TAG_ENDPOINT_GRAPH EDGE_TAG('G', 'E', 'N', 'D') /* may lack */
#define EDGE_TAG_ENCODER EDGE_TAG('G', 'E', 'N', 'C')
#define EDGE_TAG_PREDICTOR EDGE_TAG('G', 'P', 'R', 'E')
#define EDGE_TAG_JOINER EDGE_TAG('G', 'J', 'N', 'T')
#define EDGE_TAG_ADAPTER EDGE_TAG('G', 'A', 'D', 'A') /* may lack */
#define EDGE_TAG_SINGLE EDGE_TAG('G', 'N', 'E', 'T')  /* a bundle of one graph, no recogniser */

typedef struct edge_span {
  const uint8_t *data; /* 16-byte aligned when the image is */
  uint32_t size;       /* bytes */
} edge_span_t;

typedef struct edge_image {
  const uint8_t *data;
  uint32_t size; /* bytes used by the image, from its header */
  uint32_t sections;
} edge_image_t;

/* Check the header, the table and every section's CRC; `data` must stay valid and be 16-byte
 * aligned. `capacity` is the number of readable bytes at `data`. */
edge_status_t edge_image_open(edge_image_t *image, const uint8_t *data, uint32_t capacity);

/* Section by tag, or EDGE_NO_SECTION. */
edge_status_t edge_image_find(const edge_image_t *image, uint32_t tag, edge_span_t *out);

/* CRC-32 (IEEE 802.3, reflected, as zlib.crc32): start with crc = 0, feed pieces in order. */
uint32_t edge_crc32(uint32_t crc, const void *data, uint32_t size);

#endif
