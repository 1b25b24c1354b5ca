#include "edge/bias_store.h"

#include <stddef.h>
#include <string.h>

#include "edge/image.h"
#include "load.h"

#define HEADER_BYTES 16u
#define NO_ENTRY EDGE_BIAS_STORED

static uint32_t count(const edge_bias_store_t *s) { return s->shipped + s->loaded; }

static bool has_name(const edge_bias_table_t *t, const uint8_t *name, uint32_t length) {
  return length < EDGE_BIAS_NAME_BYTES && memcmp(t->name, name, length) == 0 &&
         t->name[length] == '\0';
}

/* The entry from `begin` to below `end` with that name. */
static uint32_t find_in(const edge_bias_store_t *s, uint32_t begin, uint32_t end,
                        const uint8_t *name, uint32_t length) {
  for (uint32_t i = begin; i < end; i++) {
    if (has_name(&s->entry[i].table, name, length)) {
      return i;
    }
  }
  return NO_ENTRY;
}

/* What a name means: a table of the room before one of the image. */
static uint32_t find(const edge_bias_store_t *s, const uint8_t *name, uint32_t length) {
  const uint32_t in_room = find_in(s, s->shipped, count(s), name, length);
  return in_room != NO_ENTRY ? in_room : find_in(s, 0, s->shipped, name, length);
}

static void activate(edge_bias_store_t *s) {
  s->active.count = 0;
  for (uint32_t i = 0; i < count(s); i++) {
    if (s->entry[i].active) {
      s->active.table[s->active.count++] = s->entry[i].table;
    }
  }
}

edge_status_t edge_bias_store_open(edge_bias_store_t *s, const uint8_t *section, uint32_t size,
                                   uint32_t vocab, uint32_t tokens_crc) {
  *s = (edge_bias_store_t){.vocab = vocab, .tokens_crc = tokens_crc};
  if (section == NULL) {
    return EDGE_OK;
  }
  if (size < HEADER_BYTES) {
    return EDGE_TRUNCATED;
  }
  const uint32_t room_bytes = edge_load_u32(section);
  const uint32_t tables = edge_load_u32(section + 4);
  if (room_bytes % 16 != 0 || room_bytes > EDGE_BIAS_MAX_ROOM || tables > EDGE_BIAS_TABLES ||
      !edge_all_zero(section + 8, HEADER_BYTES - 8)) {
    return EDGE_BAD_LAYOUT;
  }
  uint32_t at = HEADER_BYTES;
  for (uint32_t i = 0; i < tables; i++) {
    edge_bias_table_t *t = &s->entry[i].table;
    if (size - at < 8) {
      return EDGE_TRUNCATED;
    }
    const uint32_t announced = edge_load_u32(section + at + 4);
    const uint32_t bytes = announced <= size - at ? announced : size - at;
    const edge_status_t status = edge_bias_table_open(t, section + at, bytes, vocab, tokens_crc);
    if (status != EDGE_OK) {
      return status;
    }
    if (find_in(s, 0, i, (const uint8_t *)t->name, (uint32_t)strlen(t->name)) != NO_ENTRY) {
      return EDGE_BAD_LAYOUT;
    }
    s->entry[i].active = true;
    at += bytes;
  }
  if (at != size) {
    return EDGE_BAD_LAYOUT;
  }
  s->room_bytes = room_bytes;
  s->shipped = tables;
  activate(s);
  return EDGE_OK;
}

uint32_t edge_bias_store_memory(const edge_bias_store_t *s) { return s->room_bytes; }

void edge_bias_store_bind(edge_bias_store_t *s, void *room) { s->room = room; }

edge_status_t edge_bias_store_begin(edge_bias_store_t *s, uint32_t bytes, uint32_t crc) {
  s->transfer.running = false;
  if (bytes > s->room_bytes - s->used) {
    return EDGE_NO_MEMORY;
  }
  s->transfer = (edge_bias_transfer_t){.running = true, .bytes = bytes, .expected_crc = crc};
  return EDGE_OK;
}

edge_status_t edge_bias_store_data(edge_bias_store_t *s, uint32_t offset, const uint8_t *data,
                                   uint32_t size) {
  edge_bias_transfer_t *transfer = &s->transfer;
  if (!transfer->running) {
    return EDGE_BAD_STATE;
  }
  if (offset != transfer->received || size > transfer->bytes - transfer->received) {
    return EDGE_BAD_ARGUMENT;
  }
  if (size > 0) {
    memcpy(s->room + s->used + offset, data, size);
    transfer->crc = edge_crc32(transfer->crc, data, size);
    transfer->received += size;
  }
  return EDGE_OK;
}

void edge_bias_store_cancel(edge_bias_store_t *s) { s->transfer.running = false; }

/* Take an entry of the room out and close the gap behind it; the bytes that follow the last table,
 * up to `end`, move too. */
static void take_out(edge_bias_store_t *s, uint32_t index, uint32_t end) {
  const edge_bias_table_t gone = s->entry[index].table;
  const uint32_t start = (uint32_t)(gone.data - s->room);
  memmove(s->room + start, s->room + start + gone.bytes, end - start - gone.bytes);
  s->loaded--;
  s->used -= gone.bytes;
  for (uint32_t i = index; i < count(s); i++) {
    s->entry[i] = s->entry[i + 1];
    edge_bias_table_view(&s->entry[i].table, s->entry[i].table.data - gone.bytes);
  }
}

/* The table arrived at the room's used end; takes the place of its name. */
static edge_status_t put_in(edge_bias_store_t *s, const edge_bias_table_t *arrived) {
  const uint8_t *name = (const uint8_t *)arrived->name;
  const uint32_t length = (uint32_t)strlen(arrived->name);
  const uint32_t old = find(s, name, length);
  const bool in_room = old != NO_ENTRY && old >= s->shipped;
  if (!in_room && s->loaded == EDGE_BIAS_TABLES) {
    return EDGE_NO_MEMORY;
  }
  const bool active = old != NO_ENTRY ? s->entry[old].active : s->active.count < EDGE_BIAS_TABLES;
  const uint32_t bytes = arrived->bytes;
  if (in_room) {
    take_out(s, old, s->used + bytes);
  } else if (old != NO_ENTRY) {
    s->entry[old].active = false; /* hidden */
  }
  edge_bias_entry_t *entry = &s->entry[count(s)];
  edge_bias_table_view(&entry->table, s->room + s->used);
  entry->active = active;
  s->loaded++;
  s->used += bytes;
  activate(s);
  return EDGE_OK;
}

edge_status_t edge_bias_store_end(edge_bias_store_t *s) {
  edge_bias_transfer_t *transfer = &s->transfer;
  if (!transfer->running) {
    return EDGE_BAD_STATE;
  }
  transfer->running = false;
  if (transfer->received != transfer->bytes) {
    return EDGE_TRUNCATED;
  }
  if (transfer->crc != transfer->expected_crc) {
    return EDGE_BAD_CRC;
  }
  edge_bias_table_t arrived;
  const edge_status_t status =
      edge_bias_table_open(&arrived, s->room + s->used, transfer->bytes, s->vocab, s->tokens_crc);
  return status == EDGE_OK ? put_in(s, &arrived) : status;
}

edge_status_t edge_bias_store_use(edge_bias_store_t *s, const uint8_t *names, uint32_t size) {
  bool chosen[EDGE_BIAS_STORED] = {false};
  uint32_t tables = 0;
  for (uint32_t at = 0; at < size;) {
    const uint32_t length = names[at++];
    if (length > size - at) {
      return EDGE_BAD_ARGUMENT;
    }
    const uint32_t found = find(s, names + at, length);
    if (found == NO_ENTRY || chosen[found] || ++tables > EDGE_BIAS_TABLES) {
      return EDGE_BAD_ARGUMENT;
    }
    chosen[found] = true;
    at += length;
  }
  for (uint32_t i = 0; i < count(s); i++) {
    s->entry[i].active = chosen[i];
  }
  activate(s);
  return EDGE_OK;
}

static void clear_entry(edge_bias_store_t *s, uint32_t index) {
  const edge_bias_entry_t gone = s->entry[index];
  const uint8_t *name = (const uint8_t *)gone.table.name;
  const uint32_t hidden = find_in(s, 0, s->shipped, name, (uint32_t)strlen(gone.table.name));
  if (hidden != NO_ENTRY) {
    s->entry[hidden].active = gone.active;
  }
  take_out(s, index, s->used);
}

edge_status_t edge_bias_store_clear(edge_bias_store_t *s, const uint8_t *name, uint32_t length) {
  if (length > 0) {
    const uint32_t found = find_in(s, s->shipped, count(s), name, length);
    if (found == NO_ENTRY) {
      return EDGE_BAD_ARGUMENT;
    }
    clear_entry(s, found);
  }
  s->transfer.running = false; /* it lay behind the last table, which may have moved */
  while (length == 0 && s->loaded > 0) {
    clear_entry(s, count(s) - 1);
  }
  activate(s);
  return EDGE_OK;
}

const edge_bias_entry_t *edge_bias_store_entry(const edge_bias_store_t *s, uint32_t index,
                                               bool *in_room) {
  for (uint32_t i = 0; i < count(s); i++) {
    const uint8_t *name = (const uint8_t *)s->entry[i].table.name;
    const bool found = find(s, name, (uint32_t)strlen(s->entry[i].table.name)) == i;
    if (found && index-- == 0) {
      *in_room = i >= s->shipped;
      return &s->entry[i];
    }
  }
  return NULL;
}
