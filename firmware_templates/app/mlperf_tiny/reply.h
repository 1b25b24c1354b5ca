/* Text for the host, sent as it is written: lines of any length from a small buffer. */
#ifndef EDGE_REPLY_H
#define EDGE_REPLY_H

#include <stdint.h>

typedef struct edge_reply {
  uint8_t data[64];
  uint32_t used;
} edge_reply_t;

void edge_reply_text(edge_reply_t *reply, const char *text);
void edge_reply_number(edge_reply_t *reply, uint64_t value);

/* Two digits of hex for each byte, the last byte of a word first. */
void edge_reply_hex(edge_reply_t *reply, uint8_t value);
void edge_reply_hex32(edge_reply_t *reply, uint32_t value);

/* As printf's %.*f, at most 9 decimals: exact, ties to even; "inf" from 2^63 on, and "nan". */
void edge_reply_decimal(edge_reply_t *reply, float value, uint32_t decimals);

/* End the line and send what is left of it. */
void edge_reply_end(edge_reply_t *reply);

#endif
