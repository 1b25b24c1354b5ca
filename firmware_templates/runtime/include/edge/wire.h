/* The link: frames, and the numbers of all messages. docs/protocol.md has the payloads.
 *
 * A frame is 0x7E, then escaped (type u8, seq u8, payload, CRC-32 of all three, little-endian),
 * then 0x7E. Inside, 0x7E and 0x7D are sent as 0x7D and the byte xor 0x20. Bytes outside frames
 * are console text. After a damaged frame its closing 0x7E counts as an opening one, so that one
 * lost flag never turns frames and text inside out. */
#ifndef EDGE_WIRE_H
#define EDGE_WIRE_H

#include <stdint.h>

#include "edge/status.h"

#define EDGE_WIRE_VERSION 2u
#define EDGE_WIRE_FLAG 0x7Eu
#define EDGE_WIRE_ESCAPE 0x7Du
#define EDGE_WIRE_TOGGLE 0x20u
#define EDGE_WIRE_OVERHEAD 6u /* type, seq, CRC-32 */

/* Bytes of an encoded frame at worst: everything escaped, two flags. */
#define EDGE_WIRE_ENCODED_MAX(payload) (2u * ((payload) + EDGE_WIRE_OVERHEAD) + 2u)

/* EDGE_MESSAGE(name, value). Below 0x80: requests of the host, each answered once with the
 * request's seq. 0x80 to 0xBF: answers. From 0xC0: events, with a seq of their own that counts up,
 * so that the host notices a lost one. sdk/edgesdk/link/messages.py is held to this by a test. */
#define EDGE_MESSAGE_LIST(EDGE_MESSAGE)                                                            \
  EDGE_MESSAGE(HELLO, 0x01)                                                                        \
  EDGE_MESSAGE(PING, 0x02)                                                                         \
  EDGE_MESSAGE(RESET, 0x03)                                                                        \
  EDGE_MESSAGE(LOAD_BEGIN, 0x10)                                                                   \
  EDGE_MESSAGE(LOAD_DATA, 0x11)                                                                    \
  EDGE_MESSAGE(LOAD_END, 0x12)                                                                     \
  EDGE_MESSAGE(START, 0x20)                                                                        \
  EDGE_MESSAGE(AUDIO, 0x21)                                                                        \
  EDGE_MESSAGE(FINISH, 0x22)                                                                       \
  EDGE_MESSAGE(METRICS, 0x23)                                                                      \
  EDGE_MESSAGE(OP_COSTS, 0x24)                                                                     \
  EDGE_MESSAGE(RESULTS, 0x25)                                                                      \
  EDGE_MESSAGE(EVENTS, 0x26)                                                                       \
  EDGE_MESSAGE(GRAPH_INFO, 0x30)                                                                   \
  EDGE_MESSAGE(GRAPH_TENSOR, 0x31)                                                                 \
  EDGE_MESSAGE(GRAPH_WRITE, 0x32)                                                                  \
  EDGE_MESSAGE(GRAPH_READ, 0x33)                                                                   \
  EDGE_MESSAGE(GRAPH_RUN, 0x34)                                                                    \
  EDGE_MESSAGE(GRAPH_RESET, 0x35)                                                                  \
  EDGE_MESSAGE(BIAS_BEGIN, 0x40)                                                                   \
  EDGE_MESSAGE(BIAS_DATA, 0x41)                                                                    \
  EDGE_MESSAGE(BIAS_END, 0x42)                                                                     \
  EDGE_MESSAGE(BIAS_USE, 0x43)                                                                     \
  EDGE_MESSAGE(BIAS_CLEAR, 0x44)                                                                   \
  EDGE_MESSAGE(BIAS_LIST, 0x45)                                                                    \
  EDGE_MESSAGE(STATUS, 0x80)                                                                       \
  EDGE_MESSAGE(IDENTITY, 0x81)                                                                     \
  EDGE_MESSAGE(PONG, 0x82)                                                                         \
  EDGE_MESSAGE(AUDIO_TAKEN, 0x83)                                                                  \
  EDGE_MESSAGE(FINAL, 0x84)                                                                        \
  EDGE_MESSAGE(METRIC_VALUES, 0x85)                                                                \
  EDGE_MESSAGE(OP_COST_VALUES, 0x86)                                                               \
  EDGE_MESSAGE(GRAPH_FACTS, 0x87)                                                                  \
  EDGE_MESSAGE(TENSOR_FACTS, 0x88)                                                                 \
  EDGE_MESSAGE(TENSOR_DATA, 0x89)                                                                  \
  EDGE_MESSAGE(RUN_COST, 0x8A)                                                                     \
  EDGE_MESSAGE(RESULTS_DATA, 0x8B)                                                                 \
  EDGE_MESSAGE(BIAS_TABLES, 0x90)                                                                  \
  EDGE_MESSAGE(BOOT, 0xC0)                                                                         \
  EDGE_MESSAGE(TOKEN, 0xC1)                                                                        \
  EDGE_MESSAGE(LOGITS, 0xC2)                                                                       \
  EDGE_MESSAGE(ENDPOINT, 0xC3)                                                                     \
  EDGE_MESSAGE(UTTERANCE_RESULTS, 0xC4)

typedef enum edge_message {
#define EDGE_MESSAGE_ENUM(name, value) EDGE_MSG_##name = (value),
  EDGE_MESSAGE_LIST(EDGE_MESSAGE_ENUM)
#undef EDGE_MESSAGE_ENUM
} edge_message_t;

/* What edge_decoder_feed met. */
typedef enum edge_wire_event {
  EDGE_WIRE_MORE = 0,    /* all bytes used, nothing complete yet */
  EDGE_WIRE_FRAME = 1,   /* type, seq, payload and payload_bytes are valid until the next feed */
  EDGE_WIRE_CONSOLE = 2, /* the bytes used by this call were console text */
  EDGE_WIRE_ERROR = 3,   /* a damaged frame was dropped; `error` says how */
} edge_wire_event_t;

typedef struct edge_decoder {
  uint8_t *buffer;   /* caller's: EDGE_WIRE_OVERHEAD + the longest payload it accepts */
  uint32_t capacity; /* bytes of it */
  uint32_t used;
  uint8_t inside, escaped, too_long;
  uint8_t type, seq;
  const uint8_t *payload;
  uint32_t payload_bytes;
  edge_status_t error; /* BAD_FRAME, BAD_CRC or TOO_LONG */
} edge_decoder_t;

/* Start outside a frame. `capacity` is at least EDGE_WIRE_OVERHEAD. */
void edge_decoder_init(edge_decoder_t *decoder, uint8_t *buffer, uint32_t capacity);

/* Take bytes up to the next event; `*taken` (1..size, 0 where size is 0) were used. */
edge_wire_event_t edge_decoder_feed(edge_decoder_t *decoder, const uint8_t *data, uint32_t size,
                                    uint32_t *taken);

/* Write one whole frame to `out`, or EDGE_NO_MEMORY where `capacity` does not hold it. */
edge_status_t edge_frame_encode(uint8_t type, uint8_t seq, const uint8_t *payload,
                                uint32_t payload_bytes, uint8_t *out, uint32_t capacity,
                                uint32_t *out_bytes);

#endif
