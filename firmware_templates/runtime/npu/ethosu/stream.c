#include "stream.h"

#include <stddef.h>
#include <string.h>

#define HAS_PAYLOAD 0x4000u

/* What a command is made of, and where in the state its value goes. */
typedef enum { OPERATION, RAW, COUNT, LENGTH, ADDRESS, STRIDE, SCALE } form_t;
typedef struct entry {
  uint16_t code;
  uint16_t mask;
  uint16_t offset;
  uint8_t form;
  uint8_t products;
} entry_t;

static const entry_t table[] = {
#define EDGE_ETHOSU_OP(name, code, mask, products) {code, mask, 0, OPERATION, products},
#define EDGE_ETHOSU_SET(name, code, mask, products, form, field)                                   \
  {code, mask, offsetof(edge_ethosu_state_t, field), form, products},
#include "commands.def"
#undef EDGE_ETHOSU_OP
#undef EDGE_ETHOSU_SET
};
#define ENTRIES (sizeof table / sizeof *table)

/* The table is in order of codes. */
static const entry_t *find(uint32_t code, uint32_t product) {
  uint32_t begin = 0, end = ENTRIES;
  while (begin < end) {
    const uint32_t middle = (begin + end) / 2;
    if (table[middle].code < code) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  const bool found = end < ENTRIES && table[end].code == code;
  return found && (table[end].products & product) != 0 ? &table[end] : NULL;
}

/* Strides are signed numbers of 32 bits in a U55 and of 40 in a U65. Whoever writes them may repeat
 * the sign in all bits above. */
static bool sign_stride(int64_t *value, uint32_t param, uint32_t payload, uint32_t product) {
  const uint32_t bits = product == EDGE_ETHOSU_U65 ? 40 : 32;
  const uint64_t sign = (uint64_t)1 << (bits - 1);
  const uint64_t low = ((uint64_t)param << 32 | payload) & (2 * sign - 1);
  const bool negative = (low & sign) != 0;
  const uint32_t above = param >> (bits - 32);
  *value = negative ? (int64_t)(low - sign) - (int64_t)sign : (int64_t)low;
  return above == 0 || (negative && (param == 0xffffu || (bits == 32 && param == 0xffu)));
}

static bool set_register(const entry_t *entry, edge_ethosu_state_t *state, uint32_t param,
                         uint32_t payload, uint32_t product) {
  void *field = (uint8_t *)state + entry->offset;
  if (entry->form == STRIDE) {
    return sign_stride(field, param, payload, product);
  }
  switch ((form_t)entry->form) {
  case RAW:
    *(uint16_t *)field = (uint16_t)param;
    break;
  case COUNT:
    *(uint32_t *)field = param + 1;
    break;
  case LENGTH:
    *(uint32_t *)field = payload;
    break;
  case ADDRESS:
    *(uint64_t *)field = (uint64_t)param << 32 | payload;
    return param == 0 || (product == EDGE_ETHOSU_U65 && param <= entry->mask);
  case SCALE:
    *(edge_ethosu_scale_t *)field = (edge_ethosu_scale_t){payload, param};
    break;
  case OPERATION:
  case STRIDE:
    break;
  }
  return (param & ~(uint32_t)entry->mask) == 0;
}

void edge_ethosu_begin(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                       const uint32_t *words, uint32_t count, uint32_t product) {
  *cursor = (edge_ethosu_cursor_t){words, count, 0, product};
  memset(state, 0, sizeof *state);
  for (uint32_t i = 0; i < ENTRIES; i++) {
    if (table[i].form == COUNT) {
      (void)set_register(&table[i], state, 0, 0, product);
    }
  }
}

edge_status_t edge_ethosu_next(edge_ethosu_cursor_t *cursor, edge_ethosu_state_t *state,
                               edge_ethosu_command_t *command) {
  while (cursor->at < cursor->count) {
    const uint32_t at = cursor->at;
    const uint32_t code = cursor->words[at] & 0xffffu;
    const uint32_t param = cursor->words[at] >> 16;
    const entry_t *entry = find(code, cursor->product);
    const uint32_t words = (code & HAS_PAYLOAD) != 0 ? 2 : 1;
    if (entry == NULL || words > cursor->count - at) {
      return EDGE_NPU_STREAM;
    }
    const uint32_t payload = words == 2 ? cursor->words[at + 1] : 0;
    if (!set_register(entry, state, param, payload, cursor->product)) {
      return EDGE_NPU_STREAM;
    }
    cursor->at = at + words;
    if (entry->form == OPERATION) {
      *command = (edge_ethosu_command_t){code, param, at};
      return EDGE_OK;
    }
  }
  return EDGE_NPU_STREAM;
}
