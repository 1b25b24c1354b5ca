#include "stream.h"

#include <string.h>

/* Parts of a command's first word. */
#define HAS_PAYLOAD 0x4000u
#define HIGH_MASK 0xffu
#define SHIFT_MASK 0x3fu
#define SIGN_40 ((uint64_t)1 << 39)

static bool is_operation(uint32_t code, uint32_t product) {
  switch (code) {
#define EDGE_ETHOSU_OP(name, number, products)                                                     \
  case number:                                                                                     \
    return ((products) & product) != 0;
#define EDGE_ETHOSU_SET(name, number, products, form, field)
#include "commands.def"
#undef EDGE_ETHOSU_OP
#undef EDGE_ETHOSU_SET
  default:
    return false;
  }
}

static bool set_raw(uint16_t *field, uint32_t param) {
  *field = (uint16_t)param;
  return true;
}

static bool set_count(uint32_t *field, uint32_t param) {
  *field = param + 1;
  return true;
}

static bool set_length(uint32_t *field, uint32_t param, uint32_t payload) {
  *field = payload;
  return param == 0;
}

static bool set_address(uint64_t *field, uint32_t param, uint32_t payload) {
  *field = (uint64_t)param << 32 | payload;
  return param <= HIGH_MASK;
}

/* Bits above the 40 repeat the sign or are zero. */
static bool set_stride(int64_t *field, uint32_t param, uint32_t payload) {
  const uint64_t low = (uint64_t)(param & HIGH_MASK) << 32 | payload;
  const bool negative = (low & SIGN_40) != 0;
  *field = negative ? (int64_t)(low - SIGN_40) - (int64_t)SIGN_40 : (int64_t)low;
  return param <= HIGH_MASK || (negative && param >> 8 == HIGH_MASK);
}

static bool set_scale(edge_ethosu_scale_t *field, uint32_t param, uint32_t payload) {
  field->multiplier = payload;
  field->shift = param & SHIFT_MASK;
  return param <= SHIFT_MASK;
}

#define RAW(field) set_raw(&(field), param)
#define COUNT(field) set_count(&(field), param)
#define LENGTH(field) set_length(&(field), param, payload)
#define ADDRESS(field) set_address(&(field), param, payload)
#define STRIDE(field) set_stride(&(field), param, payload)
#define SCALE(field) set_scale(&(field), param, payload)

static bool set_register(edge_ethosu_state_t *state, uint32_t product, uint32_t code,
                         uint32_t param, uint32_t payload) {
  switch (code) {
#define EDGE_ETHOSU_OP(name, number, products)
#define EDGE_ETHOSU_SET(name, number, products, form, field)                                       \
  case number:                                                                                     \
    return ((products) & product) != 0 && form(state->field);
#include "commands.def"
#undef EDGE_ETHOSU_OP
#undef EDGE_ETHOSU_SET
  default:
    return false;
  }
}

#define BEGIN_RAW(field)
#define BEGIN_COUNT(field) (field) = 1;
#define BEGIN_LENGTH(field)
#define BEGIN_ADDRESS(field)
#define BEGIN_STRIDE(field)
#define BEGIN_SCALE(field)

void edge_ethosu_begin(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                       const uint32_t *words, uint32_t count, uint32_t product) {
  *cursor = (edge_ethosu_cursor_t){words, count, 0, product};
  memset(state, 0, sizeof *state);
#define EDGE_ETHOSU_OP(name, number, products)
#define EDGE_ETHOSU_SET(name, number, products, form, field) BEGIN_##form(state->field)
#include "commands.def"
#undef EDGE_ETHOSU_OP
#undef EDGE_ETHOSU_SET
}

edge_status_t edge_ethosu_next(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                               edge_ethosu_command_t *command) {
  while (cursor->at < cursor->count) {
    const uint32_t at = cursor->at;
    const uint32_t code = cursor->words[at] & 0xffffu;
    const uint32_t param = cursor->words[at] >> 16;
    if (is_operation(code, cursor->product)) {
      *command = (edge_ethosu_command_t){code, param, at};
      cursor->at = at + 1;
      return EDGE_OK;
    }
    const uint32_t words = (code & HAS_PAYLOAD) != 0 ? 2 : 1;
    if (words > cursor->count - at) {
      return EDGE_NPU_STREAM;
    }
    const uint32_t payload = words == 2 ? cursor->words[at + 1] : 0;
    if (!set_register(state, cursor->product, code, param, payload)) {
      return EDGE_NPU_STREAM;
    }
    cursor->at = at + words;
  }
  return EDGE_NPU_STREAM;
}
