/* Reading an .edge image in place: header, section table, checksums. */
#include "edge/image.h"

#include <stdbool.h>
#include <stddef.h>

#include "load.h"

#define ROUNDING_TWICE 2u

/* CRC-32 of every nibble: 64 bytes instead of a table of 1 KiB. */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t edge_crc32(uint32_t crc, const void *data, uint32_t size) {
  const uint8_t *p = (const uint8_t *)data;
  crc = ~crc;
  for (uint32_t i = 0; i < size; i++) {
    crc ^= p[i];
    crc = crc >> 4 ^ crc_nibble[crc & 15];
    crc = crc >> 4 ^ crc_nibble[crc & 15];
  }
  return ~crc;
}

typedef struct entry {
  uint32_t tag;
  uint32_t offset;
  uint32_t size;
  uint32_t crc;
} entry_t;

static entry_t entry_at(const uint8_t *data, uint32_t index) {
  const uint8_t *p = data + EDGE_IMAGE_HEADER_BYTES + index * EDGE_IMAGE_ENTRY_BYTES;
  entry_t entry = {edge_load_u32(p), edge_load_u32(p + 4), edge_load_u32(p + 8),
                   edge_load_u32(p + 12)};
  return entry;
}

static bool is_zero(const uint8_t *data, uint32_t begin, uint32_t end) {
  while (begin < end) {
    if (data[begin++] != 0)
      return false;
  }
  return true;
}

static edge_status_t check_sections(const edge_image_t *image) {
  uint32_t end = EDGE_IMAGE_HEADER_BYTES + image->sections * EDGE_IMAGE_ENTRY_BYTES;
  for (uint32_t i = 0; i < image->sections; i++) {
    entry_t entry = entry_at(image->data, i);
    if (entry.offset % 16 != 0 || entry.offset < end || entry.offset > image->size ||
        entry.size > image->size - entry.offset)
      return EDGE_BAD_LAYOUT;
    for (uint32_t j = 0; j < i; j++) {
      if (entry_at(image->data, j).tag == entry.tag)
        return EDGE_BAD_LAYOUT;
    }
    if (edge_crc32(0, image->data + entry.offset, entry.size) != entry.crc)
      return EDGE_BAD_CRC;
    if (!is_zero(image->data, end, entry.offset))
      return EDGE_BAD_LAYOUT;
    end = entry.offset + entry.size;
  }
  return is_zero(image->data, end, image->size) ? EDGE_OK : EDGE_BAD_LAYOUT;
}

edge_status_t edge_image_open(edge_image_t *image, const uint8_t *data, uint32_t capacity) {
  if (image == NULL || data == NULL || (uintptr_t)data % 16 != 0)
    return EDGE_BAD_ARGUMENT;
  image->data = NULL;
  image->size = 0;
  image->sections = 0;
  if (capacity < EDGE_IMAGE_HEADER_BYTES)
    return EDGE_TRUNCATED;
  if (edge_load_u32(data) != EDGE_TAG('E', 'D', 'G', 'E'))
    return EDGE_BAD_MAGIC;
  if (edge_load_u16(data + 4) != EDGE_IMAGE_VERSION)
    return EDGE_BAD_VERSION;
  uint32_t sections = edge_load_u16(data + 6);
  uint32_t size = edge_load_u32(data + 8);
  uint32_t table = sections * EDGE_IMAGE_ENTRY_BYTES;
  if (size > capacity)
    return EDGE_TRUNCATED;
  if (sections == 0 || sections > EDGE_IMAGE_MAX_SECTIONS || size % 16 != 0 ||
      size < EDGE_IMAGE_HEADER_BYTES + table)
    return EDGE_BAD_LAYOUT;
  uint32_t crc = edge_crc32(0, data, EDGE_IMAGE_HEADER_BYTES - 4);
  if (edge_crc32(crc, data + EDGE_IMAGE_HEADER_BYTES, table) !=
      edge_load_u32(data + EDGE_IMAGE_HEADER_BYTES - 4))
    return EDGE_BAD_CRC;
  if (edge_load_u32(data + 12) != ROUNDING_TWICE)
    return EDGE_BAD_VERSION;
  edge_image_t opened = {data, size, sections};
  edge_status_t status = edge_load_u32(data + 24) == 0 ? check_sections(&opened) : EDGE_BAD_LAYOUT;
  if (status == EDGE_OK)
    *image = opened;
  return status;
}

edge_status_t edge_image_find(const edge_image_t *image, uint32_t tag, edge_span_t *out) {
  out->data = NULL;
  out->size = 0;
  for (uint32_t i = 0; i < image->sections; i++) {
    entry_t entry = entry_at(image->data, i);
    if (entry.tag == tag) {
      out->data = image->data + entry.offset;
      out->size = entry.size;
      return EDGE_OK;
    }
  }
  return EDGE_NO_SECTION;
}
