/* Seeded fuzzer of the frame decoder: fuzz_wire SEED ROUNDS. Every buffer is malloc'ed to its exact
 * size, so that the address sanitizer sees one byte too many. Whole frames in a clean stream must
 * all come out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/wire.h"

#define PAYLOAD_MAX 40u

static uint32_t state;

static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static uint32_t append_frame(uint8_t *stream, uint32_t used) {
  uint8_t payload[2 * PAYLOAD_MAX];
  const uint32_t size = draw(PAYLOAD_MAX + 4);
  uint32_t out_bytes = 0;
  for (uint32_t i = 0; i < size; i++) {
    payload[i] = (uint8_t)(draw(3) == 0 ? 0x7D + draw(2) : draw(256));
  }
  edge_frame_encode((uint8_t)draw(256), (uint8_t)draw(256), payload, size, stream + used,
                    EDGE_WIRE_ENCODED_MAX(2 * PAYLOAD_MAX), &out_bytes);
  return size > PAYLOAD_MAX ? used : used + out_bytes;
}

static void damage(uint8_t *stream, uint32_t size) {
  for (uint32_t i = draw(6); i > 0 && size > 0; i--) {
    stream[draw(size)] = (uint8_t)(draw(2) == 0 ? 0x7D + draw(2) : draw(256));
  }
}

static uint32_t feed_all(const uint8_t *stream, uint32_t size) {
  const uint32_t capacity = EDGE_WIRE_OVERHEAD + PAYLOAD_MAX;
  uint8_t *buffer = malloc(capacity);
  edge_decoder_t decoder;
  uint32_t frames = 0;
  edge_decoder_init(&decoder, buffer, capacity);
  while (size > 0) {
    const uint32_t piece = 1 + draw(size < 64 ? size : 64);
    uint8_t *copy = malloc(piece);
    memcpy(copy, stream, piece);
    for (uint32_t used = 0; used < piece;) {
      uint32_t taken = 0;
      const edge_wire_event_t event =
          edge_decoder_feed(&decoder, copy + used, piece - used, &taken);
      if (taken == 0 || taken > piece - used) {
        printf("took %u of %u bytes\n", taken, piece - used);
        exit(1);
      }
      used += taken;
      if (event == EDGE_WIRE_FRAME) {
        uint8_t sum = 0; /* touch every byte of the payload */
        for (uint32_t i = 0; i < decoder.payload_bytes; i++) {
          sum = (uint8_t)(sum + decoder.payload[i]);
        }
        frames += sum < 256;
      }
    }
    free(copy);
    stream += piece;
    size -= piece;
  }
  free(buffer);
  return frames;
}

int main(int count, char **arguments) {
  static uint8_t stream[4 * EDGE_WIRE_ENCODED_MAX(2 * PAYLOAD_MAX)];
  if (count != 3) {
    return 2;
  }
  state = (uint32_t)strtoul(arguments[1], NULL, 10) | 1u;
  for (uint32_t round = strtoul(arguments[2], NULL, 10); round > 0; round--) {
    uint32_t size = 0, whole = 0;
    for (uint32_t i = draw(4); i > 0; i--) {
      const uint32_t before = size;
      size = append_frame(stream, size);
      whole += size > before;
    }
    if (feed_all(stream, size) != whole) {
      printf("a whole frame was lost, %u rounds before the end\n", round);
      return 1;
    }
    damage(stream, size);
    feed_all(stream, size > 0 ? size - draw(size < 8 ? size : 8) : 0);
  }
  return 0;
}
