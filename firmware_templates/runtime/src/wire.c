#include "edge/wire.h"

#include "edge/image.h"

void edge_decoder_init(edge_decoder_t *decoder, uint8_t *buffer, uint32_t capacity) {
  *decoder = (edge_decoder_t){.buffer = buffer, .capacity = capacity};
}

static void begin_frame(edge_decoder_t *decoder) {
  decoder->inside = 1;
  decoder->escaped = 0;
  decoder->too_long = 0;
  decoder->used = 0;
}

static uint32_t read_u32(const uint8_t *data) {
  return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
         (uint32_t)data[3] << 24;
}

/* Judge the bytes between two flags. Damaged: the closing flag may be an opening one. */
static edge_wire_event_t end_frame(edge_decoder_t *decoder) {
  const uint32_t used = decoder->used;
  edge_status_t error = EDGE_OK;
  if (decoder->too_long) {
    error = EDGE_TOO_LONG;
  } else if (decoder->escaped || used < EDGE_WIRE_OVERHEAD) {
    error = EDGE_BAD_FRAME;
  } else if (edge_crc32(0, decoder->buffer, used - 4) != read_u32(decoder->buffer + used - 4)) {
    error = EDGE_BAD_CRC;
  }
  if (error != EDGE_OK) {
    begin_frame(decoder);
    decoder->error = error;
    return EDGE_WIRE_ERROR;
  }
  decoder->inside = 0;
  decoder->type = decoder->buffer[0];
  decoder->seq = decoder->buffer[1];
  decoder->payload = decoder->buffer + 2;
  decoder->payload_bytes = used - EDGE_WIRE_OVERHEAD;
  return EDGE_WIRE_FRAME;
}

static void take_byte(edge_decoder_t *decoder, uint8_t byte) {
  if (decoder->escaped) {
    byte = (uint8_t)(byte ^ EDGE_WIRE_TOGGLE);
    decoder->escaped = 0;
  } else if (byte == EDGE_WIRE_ESCAPE) {
    decoder->escaped = 1;
    return;
  }
  if (decoder->used == decoder->capacity) {
    decoder->too_long = 1;
    return;
  }
  decoder->buffer[decoder->used++] = byte;
}

edge_wire_event_t edge_decoder_feed(edge_decoder_t *decoder, const uint8_t *data, uint32_t size,
                                    uint32_t *taken) {
  uint32_t i = 0;
  if (size > 0 && !decoder->inside) {
    while (i < size && data[i] != EDGE_WIRE_FLAG) {
      i++;
    }
    if (i > 0) {
      *taken = i;
      return EDGE_WIRE_CONSOLE;
    }
    begin_frame(decoder);
    i = 1;
  }
  while (i < size) {
    const uint8_t byte = data[i++];
    if (byte != EDGE_WIRE_FLAG) {
      take_byte(decoder, byte);
    } else if (decoder->used > 0 || decoder->escaped || decoder->too_long) {
      *taken = i;
      return end_frame(decoder);
    }
  }
  *taken = i;
  return EDGE_WIRE_MORE;
}

typedef struct encoder {
  uint8_t *out;
  uint32_t used, capacity;
} encoder_t;

static void put_raw(encoder_t *encoder, uint8_t byte) {
  if (encoder->used < encoder->capacity) {
    encoder->out[encoder->used] = byte;
  }
  encoder->used++;
}

static void put_escaped(encoder_t *encoder, const uint8_t *data, uint32_t size) {
  for (uint32_t i = 0; i < size; i++) {
    if (data[i] == EDGE_WIRE_FLAG || data[i] == EDGE_WIRE_ESCAPE) {
      put_raw(encoder, EDGE_WIRE_ESCAPE);
      put_raw(encoder, (uint8_t)(data[i] ^ EDGE_WIRE_TOGGLE));
    } else {
      put_raw(encoder, data[i]);
    }
  }
}

edge_status_t edge_frame_encode(uint8_t type, uint8_t seq, const uint8_t *payload,
                                uint32_t payload_bytes, uint8_t *out, uint32_t capacity,
                                uint32_t *out_bytes) {
  encoder_t encoder = {.out = out, .capacity = capacity};
  const uint8_t head[2] = {type, seq};
  uint32_t crc = edge_crc32(0, head, sizeof head);
  crc = edge_crc32(crc, payload, payload_bytes);
  const uint8_t tail[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                           (uint8_t)(crc >> 24)};
  put_raw(&encoder, EDGE_WIRE_FLAG);
  put_escaped(&encoder, head, sizeof head);
  put_escaped(&encoder, payload, payload_bytes);
  put_escaped(&encoder, tail, sizeof tail);
  put_raw(&encoder, EDGE_WIRE_FLAG);
  *out_bytes = encoder.used;
  return encoder.used <= capacity ? EDGE_OK : EDGE_NO_MEMORY;
}
