#include "reply.h"

#include <stdbool.h>
#include <string.h>

#include "edge/port.h"

#define EXPONENT_BIAS 150 /* of a float whose mantissa is read as an integer of 24 bits */
#define EXPONENT_SPECIAL 255u
#define MANTISSA_BITS 23u
#define DIGITS_MAX 20u /* of 2^64 */

static void send(edge_reply_t *reply) {
  edge_port_write(reply->data, reply->used);
  reply->used = 0;
}

static void put(edge_reply_t *reply, char character) {
  if (reply->used == sizeof reply->data) {
    send(reply);
  }
  reply->data[reply->used++] = (uint8_t)character;
}

void edge_reply_text(edge_reply_t *reply, const char *text) {
  while (*text != '\0') {
    put(reply, *text++);
  }
}

/* At least `least` digits. */
static void put_digits(edge_reply_t *reply, uint64_t value, uint32_t least) {
  char digits[DIGITS_MAX];
  uint32_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value > 0 || count < least);
  while (count > 0) {
    put(reply, digits[--count]);
  }
}

void edge_reply_number(edge_reply_t *reply, uint64_t value) { put_digits(reply, value, 1); }

void edge_reply_hex(edge_reply_t *reply, uint8_t value) {
  static const char digits[] = "0123456789abcdef";
  put(reply, digits[value >> 4]);
  put(reply, digits[value & 15u]);
}

void edge_reply_hex32(edge_reply_t *reply, uint32_t value) {
  for (uint32_t shift = 32; shift > 0; shift -= 8) {
    edge_reply_hex(reply, (uint8_t)(value >> (shift - 8)));
  }
}

/* value / 2^shift, ties to even. */
static uint64_t round_shift(uint64_t value, uint32_t shift) {
  if (shift > 63) {
    return 0;
  }
  const uint64_t whole = value >> shift, rest = value - (whole << shift);
  const uint64_t half = shift == 0 ? 1 : (uint64_t)1 << (shift - 1);
  return whole + (rest > half || (rest == half && (whole & 1u) != 0) ? 1u : 0u);
}

/* mantissa * 2^exponent, which is no more than 2^63. */
static void put_scaled(edge_reply_t *reply, uint32_t mantissa, int32_t exponent,
                       uint32_t decimals) {
  uint64_t unit = 1;
  for (uint32_t i = 0; i < decimals; i++) {
    unit *= 10u;
  }
  uint64_t whole = mantissa, rest = 0;
  if (exponent >= 0) {
    whole <<= exponent;
  } else {
    /* below 2^24 * 10^9 < 2^54 */
    const uint64_t scaled = round_shift(mantissa * unit, (uint32_t)-exponent);
    whole = scaled / unit;
    rest = scaled % unit;
  }
  put_digits(reply, whole, 1);
  if (decimals > 0) {
    put(reply, '.');
    put_digits(reply, rest, decimals);
  }
}

void edge_reply_decimal(edge_reply_t *reply, float value, uint32_t decimals) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t biased = (bits >> MANTISSA_BITS) & EXPONENT_SPECIAL;
  const uint32_t fraction = bits & ((1u << MANTISSA_BITS) - 1u);
  if (biased == EXPONENT_SPECIAL && fraction != 0) {
    edge_reply_text(reply, "nan");
    return;
  }
  if ((bits >> 31) != 0) {
    put(reply, '-');
  }
  const int32_t exponent = (biased == 0 ? 1 : (int32_t)biased) - EXPONENT_BIAS;
  if (exponent > 39) { /* from 2^63 on */
    edge_reply_text(reply, "inf");
    return;
  }
  put_scaled(reply, fraction | (biased == 0 ? 0u : 1u << MANTISSA_BITS), exponent, decimals);
}

void edge_reply_end(edge_reply_t *reply) {
  edge_reply_text(reply, "\r\n");
  send(reply);
}
