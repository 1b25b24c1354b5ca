#include "edge/bias_store.h"

#include <stddef.h>
#include <string.h>

#include "edge/image.h"
#include "edge/kernels.h"
#include "load.h"

#define HEADER_BYTES 16u
#define NO_ENTRY EDGE_BIAS_STORED

EDGE_RARE static uint32_t count(const edge_bias_store_t *s) { return s->shipped + s->loaded; }

static bool is_rows(const edge_bias_table_t *t) { return t->rows != NULL; }

EDGE_RARE static bool has_name(const edge_bias_table_t *t, const uint8_t *name, uint32_t length) {
  return length < EDGE_BIAS_NAME_BYTES && memcmp(t->name, name, length) == 0 &&
         t->name[length] == '\0';
}

/* The entry from `begin` to below `end` with that name and kind. */
EDGE_RARE static uint32_t find_in(const edge_bias_store_t *s, uint32_t begin, uint32_t end,
                                  const uint8_t *name, uint32_t length, bool rows) {
  for (uint32_t i = begin; i < end; i++) {
    if (is_rows(&s->entry[i].table) == rows && has_name(&s->entry[i].table, name, length)) {
      return i;
    }
  }
  return NO_ENTRY;
}

/* What a name means: a table of the room before one of the image. */
EDGE_RARE static uint32_t find(const edge_bias_store_t *s, const uint8_t *name, uint32_t length,
                               bool rows) {
  const uint32_t in_room = find_in(s, s->shipped, count(s), name, length, rows);
  return in_room != NO_ENTRY ? in_room : find_in(s, 0, s->shipped, name, length, rows);
}

/* As `find` and `find_in`, for the name and kind of a table. */
EDGE_RARE static uint32_t find_like(const edge_bias_store_t *s, const edge_bias_table_t *t) {
  return find(s, (const uint8_t *)t->name, (uint32_t)strlen(t->name), is_rows(t));
}

EDGE_RARE static uint32_t find_like_in(const edge_bias_store_t *s, uint32_t begin, uint32_t end,
                                       const edge_bias_table_t *t) {
  const uint8_t *name = (const uint8_t *)t->name;
  return find_in(s, begin, end, name, (uint32_t)strlen(t->name), is_rows(t));
}

EDGE_RARE static void activate(edge_bias_store_t *s) {
  s->active.count = 0;
  for (uint32_t i = 0; i < count(s); i++) {
    if (s->entry[i].active && !is_rows(&s->entry[i].table)) {
      s->active.table[s->active.count++] = s->entry[i].table;
    }
  }
}

EDGE_RARE static uint32_t active_of(const edge_bias_store_t *s, bool rows) {
  uint32_t tables = 0;
  for (uint32_t i = 0; i < count(s); i++) {
    tables += s->entry[i].active && is_rows(&s->entry[i].table) == rows;
  }
  return tables;
}

/* Phrases that a table brings to attention. */
EDGE_RARE static uint32_t attended(const edge_bias_table_t *t) {
  return is_rows(t) ? t->nodes - 1 : 0;
}

EDGE_RARE static bool room_for(const edge_bias_store_t *s, uint32_t phrases) {
  return phrases <= edge_attention_room(s->attention);
}

EDGE_RARE static uint32_t active_phrases(const edge_bias_store_t *s) {
  uint32_t phrases = 0;
  for (uint32_t i = 0; i < count(s); i++) {
    phrases += s->entry[i].active ? attended(&s->entry[i].table) : 0;
  }
  return phrases;
}

EDGE_RARE static edge_status_t open_table(const edge_bias_store_t *s, edge_bias_table_t *t,
                                          const uint8_t *data, uint32_t size) {
  if (size >= 4 && edge_load_u32(data) == EDGE_ATTENTION_MAGIC) {
    return edge_attention_table_open(t, data, size, s->attention);
  }
  return edge_bias_table_open(t, data, size, s->vocab, s->tokens_crc);
}

/* The tables of the section, one behind the other. */
EDGE_RARE static edge_status_t open_shipped(edge_bias_store_t *s, const uint8_t *section,
                                            uint32_t size, uint32_t tables) {
  uint32_t at = HEADER_BYTES;
  for (uint32_t i = 0; i < tables; i++) {
    edge_bias_table_t *t = &s->entry[i].table;
    if (size - at < 8) {
      return EDGE_TRUNCATED;
    }
    const uint32_t announced = edge_load_u32(section + at + 4);
    const uint32_t bytes = announced <= size - at ? announced : size - at;
    const edge_status_t status = open_table(s, t, section + at, bytes);
    if (status != EDGE_OK) {
      return status;
    }
    s->shipped = i + 1;
    s->entry[i].active = true;
    if (find_like_in(s, 0, i, t) != NO_ENTRY || active_of(s, is_rows(t)) > EDGE_BIAS_TABLES) {
      return EDGE_BAD_LAYOUT;
    }
    at += bytes;
  }
  if (at != size) {
    return EDGE_BAD_LAYOUT;
  }
  return room_for(s, active_phrases(s)) ? EDGE_OK : EDGE_NO_MEMORY;
}

EDGE_RARE edge_status_t edge_bias_store_open(edge_bias_store_t *s, const uint8_t *section,
                                             uint32_t size, uint32_t vocab, uint32_t tokens_crc,
                                             const edge_attention_t *attention) {
  *s = (edge_bias_store_t){.vocab = vocab, .tokens_crc = tokens_crc, .attention = attention};
  if (section == NULL) {
    return EDGE_OK;
  }
  if (size < HEADER_BYTES) {
    return EDGE_TRUNCATED;
  }
  const uint32_t room_bytes = edge_load_u32(section);
  const uint32_t tables = edge_load_u32(section + 4);
  if (room_bytes % 16 != 0 || room_bytes > EDGE_BIAS_MAX_ROOM || tables > 2 * EDGE_BIAS_TABLES ||
      !edge_all_zero(section + 8, HEADER_BYTES - 8)) {
    return EDGE_BAD_LAYOUT;
  }
  const edge_status_t status = open_shipped(s, section, size, tables);
  if (status != EDGE_OK) {
    s->shipped = 0;
    return status;
  }
  s->room_bytes = room_bytes;
  activate(s);
  return EDGE_OK;
}

EDGE_RARE uint32_t edge_bias_store_memory(const edge_bias_store_t *s) { return s->room_bytes; }

EDGE_RARE void edge_bias_store_bind(edge_bias_store_t *s, void *room) { s->room = room; }

EDGE_RARE edge_status_t edge_bias_store_begin(edge_bias_store_t *s, uint32_t bytes, uint32_t crc) {
  s->transfer.running = false;
  if (bytes > s->room_bytes - s->used) {
    return EDGE_NO_MEMORY;
  }
  s->transfer = (edge_bias_transfer_t){.running = true, .bytes = bytes, .expected_crc = crc};
  return EDGE_OK;
}

EDGE_RARE edge_status_t edge_bias_store_data(edge_bias_store_t *s, uint32_t offset,
                                             const uint8_t *data, uint32_t size) {
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

EDGE_RARE void edge_bias_store_cancel(edge_bias_store_t *s) { s->transfer.running = false; }

/* Take an entry of the room out and close the gap behind it; the bytes that follow the last table,
 * up to `end`, move too. */
EDGE_RARE static void take_out(edge_bias_store_t *s, uint32_t index, uint32_t end) {
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

/* Whether the room has a place for one more name of that kind. */
EDGE_RARE static bool place_for(const edge_bias_store_t *s, bool rows) {
  uint32_t tables = 0;
  for (uint32_t i = s->shipped; i < count(s); i++) {
    tables += is_rows(&s->entry[i].table) == rows;
  }
  return tables < EDGE_BIAS_TABLES;
}

/* The table arrived at the room's used end; takes the place of its name. */
EDGE_RARE static edge_status_t put_in(edge_bias_store_t *s, const edge_bias_table_t *arrived) {
  const uint32_t old = find_like(s, arrived);
  const bool in_room = old != NO_ENTRY && old >= s->shipped;
  const bool active =
      old != NO_ENTRY ? s->entry[old].active : active_of(s, is_rows(arrived)) < EDGE_BIAS_TABLES;
  const uint32_t left = old != NO_ENTRY && active ? attended(&s->entry[old].table) : 0;
  if ((!in_room && !place_for(s, is_rows(arrived))) ||
      (active && !room_for(s, active_phrases(s) - left + attended(arrived)))) {
    return EDGE_NO_MEMORY;
  }
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

EDGE_RARE edge_status_t edge_bias_store_end(edge_bias_store_t *s) {
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
  const edge_status_t status = open_table(s, &arrived, s->room + s->used, transfer->bytes);
  return status == EDGE_OK ? put_in(s, &arrived) : status;
}

/* Choose what a name means, of either kind. Returns whether there is any, not chosen before, and
 * not one too many. */
EDGE_RARE static bool choose(const edge_bias_store_t *s, const uint8_t *name, uint32_t length,
                             bool *chosen, uint32_t tables[2]) {
  bool any = false;
  for (uint32_t kind = 0; kind < 2; kind++) {
    const uint32_t found = find(s, name, length, kind == 1);
    if (found == NO_ENTRY) {
      continue;
    }
    if (chosen[found] || ++tables[kind] > EDGE_BIAS_TABLES) {
      return false;
    }
    chosen[found] = any = true;
  }
  return any;
}

EDGE_RARE edge_status_t edge_bias_store_use(edge_bias_store_t *s, const uint8_t *names,
                                            uint32_t size) {
  bool chosen[EDGE_BIAS_STORED] = {false};
  uint32_t tables[2] = {0}, phrases = 0;
  for (uint32_t at = 0; at < size;) {
    const uint32_t length = names[at++];
    if (length > size - at || !choose(s, names + at, length, chosen, tables)) {
      return EDGE_BAD_ARGUMENT;
    }
    at += length;
  }
  for (uint32_t i = 0; i < count(s); i++) {
    phrases += chosen[i] ? attended(&s->entry[i].table) : 0;
  }
  if (!room_for(s, phrases)) {
    return EDGE_NO_MEMORY;
  }
  for (uint32_t i = 0; i < count(s); i++) {
    s->entry[i].active = chosen[i];
  }
  activate(s);
  return EDGE_OK;
}

/* With `all`, every table of the room goes, and those of the image fit together. */
EDGE_RARE static void clear_entry(edge_bias_store_t *s, uint32_t index, bool all) {
  const edge_bias_entry_t gone = s->entry[index];
  const uint32_t hidden = find_like_in(s, 0, s->shipped, &gone.table);
  take_out(s, index, s->used);
  if (hidden != NO_ENTRY) {
    const uint32_t phrases = active_phrases(s) + attended(&s->entry[hidden].table);
    s->entry[hidden].active = gone.active && (all || room_for(s, phrases));
  }
}

EDGE_RARE edge_status_t edge_bias_store_clear(edge_bias_store_t *s, const uint8_t *name,
                                              uint32_t length) {
  uint32_t cleared = 0;
  for (uint32_t kind = 0; length > 0 && kind < 2; kind++) {
    const uint32_t found = find_in(s, s->shipped, count(s), name, length, kind == 1);
    if (found != NO_ENTRY) {
      clear_entry(s, found, false);
      cleared++;
    }
  }
  if (length > 0 && cleared == 0) {
    return EDGE_BAD_ARGUMENT;
  }
  s->transfer.running = false; /* it lay behind the last table, which may have moved */
  while (length == 0 && s->loaded > 0) {
    clear_entry(s, count(s) - 1, true);
  }
  activate(s);
  return EDGE_OK;
}

EDGE_RARE uint32_t edge_bias_store_attend(const edge_bias_store_t *s) {
  const edge_bias_table_t *tables[EDGE_BIAS_TABLES];
  uint32_t found = 0;
  for (uint32_t i = 0; i < count(s) && found < EDGE_BIAS_TABLES; i++) {
    if (s->entry[i].active && is_rows(&s->entry[i].table)) {
      tables[found++] = &s->entry[i].table;
    }
  }
  return edge_attention_fill(s->attention, tables, found);
}

EDGE_RARE const edge_bias_entry_t *edge_bias_store_entry(const edge_bias_store_t *s, uint32_t index,
                                                         bool *in_room) {
  for (uint32_t i = 0; i < count(s); i++) {
    if (find_like(s, &s->entry[i].table) == i && index-- == 0) {
      *in_room = i >= s->shipped;
      return &s->entry[i];
    }
  }
  return NULL;
}
