/* Fuzzer of bias tables and of their store: fuzz_bias SECTION VOCAB CRC SEED ROUNDS. Sections,
 * rooms and deltas are malloc'ed to their exact sizes for the address sanitizer. Prints how many
 * sections and arriving tables were accepted, and how often phrases were written for attention. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/bias_store.h"
#include "edge/image.h"

static uint32_t state = 1, vocab, tokens_crc;
static uint32_t accepted[2]; /* sections, arrivals */
static uint32_t attended;    /* times that phrases were written for attention */

enum { HEADS = 1, ROWS = 12, WIDTH = 8, ADAPTER_CRC = 99 }; /* as in test_bias_store.py */

static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static void *room_of(uint32_t bytes) {
  void *memory = aligned_alloc(16, bytes > 0 ? bytes : 16);
  if (memory == NULL) {
    exit(2);
  }
  memset(memory, 0xa5, bytes);
  return memory;
}

/* A block that ends with the data and starts at a multiple of 16. */
static uint8_t *exact_copy(const uint8_t *data, uint32_t size) {
  uint8_t *copy = malloc(size > 0 ? size : 1);
  if (copy == NULL || (uintptr_t)copy % 16 != 0) {
    exit(2);
  }
  memcpy(copy, data, size);
  return copy;
}

/* Mostly a table's indices, sometimes anything. */
static void damage(uint8_t *data, uint32_t size) {
  static const uint16_t edges[] = {0, 1, 2, 255, 32767, 32768, 65534, 65535};
  for (uint32_t i = draw(3); i > 0 && size >= 2; i--) {
    uint8_t *at = data + 2 * draw(size / 2);
    const uint32_t kind = draw(4);
    const uint32_t value = kind == 0   ? edges[draw(sizeof edges / sizeof *edges)]
                           : kind == 1 ? draw(size)
                                       : (at[0] | (uint32_t)at[1] << 8) + draw(5) - 2;
    if (kind == 3) {
      at[draw(2)] ^= (uint8_t)(1u << draw(8));
    } else {
      at[0] = (uint8_t)value;
      at[1] = (uint8_t)(value >> 8);
    }
  }
}

static void walk(const edge_bias_t *bias) {
  edge_bias_state_t at;
  memset(&at, draw(8) == 0 ? 0xff : 0, sizeof at); /* also the state of another table */
  int32_t *deltas = malloc(vocab * sizeof *deltas);
  for (uint32_t i = 0; i < 12; i++) {
    if (edge_bias_finish(bias, &at) > 0) {
      abort();
    }
    edge_bias_deltas(bias, &at, deltas, vocab);
    edge_bias_step(bias, &at, draw(vocab + 2));
  }
  free(deltas);
}

/* A piece of the section arrives as if it were a table. */
static void arrive(edge_bias_store_t *store, const uint8_t *data, uint32_t size) {
  const uint32_t bytes = draw(6) == 0 ? draw(size + 1) : size;
  if (edge_bias_store_begin(store, bytes, edge_crc32(0, data, bytes)) != EDGE_OK) {
    return;
  }
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t piece = 1 + draw(bytes - done);
    edge_bias_store_data(store, draw(40) == 0 ? draw(bytes) : done, data + done, piece);
    done += piece;
  }
  accepted[1] += edge_bias_store_end(store) == EDGE_OK;
}

static void change(edge_bias_store_t *store, const uint8_t *section, uint32_t size) {
  uint8_t names[40];
  uint32_t at = 16;
  for (uint32_t i = draw(4); i > 0 && at + 8 < size; i--) {
    at += section[at + 4] | (uint32_t)section[at + 5] << 8;
  }
  for (uint32_t i = 0; i < sizeof names; i++) {
    names[i] = (uint8_t)(draw(3) == 0 ? draw(256) : 1 + draw(2) * 'a');
  }
  switch (draw(6)) {
  case 0:
    edge_bias_store_use(store, names, draw(sizeof names + 1));
    break;
  case 1:
    edge_bias_store_clear(store, names, draw(3) == 0 ? 0 : draw(sizeof names + 1));
    break;
  default:
    if (at < size) {
      const uint32_t announced =
          at + 8 <= size ? section[at + 4] | (uint32_t)section[at + 5] << 8 : 0;
      uint8_t *table = exact_copy(section + at, size - at);
      const uint32_t bytes = announced > 0 && announced <= size - at ? announced : size - at;
      damage(table, bytes);
      if (bytes > 33) {
        table[32] = (uint8_t)('a' + draw(6));
      }
      arrive(store, table, bytes);
      free(table);
    }
  }
}

/* An adapter that keys and values of exactly the right size are written for. */
static int8_t keys[HEADS * ROWS * WIDTH], values[HEADS * ROWS * WIDTH];
static const edge_attention_t attention = {HEADS, ROWS, WIDTH, ADAPTER_CRC, keys, values};

static void attend(const edge_bias_store_t *store) {
  const uint32_t phrases = edge_bias_store_attend(store);
  if (phrases > edge_attention_room(&attention)) {
    abort();
  }
  attended += phrases > 0;
}

static void try_section(const uint8_t *data, uint32_t size) {
  uint8_t *section = exact_copy(data, size);
  edge_bias_store_t store;
  if (edge_bias_store_open(&store, section, size, vocab, tokens_crc, &attention) == EDGE_OK) {
    accepted[0]++;
    void *room = room_of(edge_bias_store_memory(&store));
    edge_bias_store_bind(&store, room);
    walk(&store.active);
    attend(&store);
    for (uint32_t i = 0; i < 10; i++) {
      change(&store, section, size);
      walk(&store.active);
      attend(&store);
      bool in_room;
      for (uint32_t k = 0; k < 18; k++) {
        const edge_bias_entry_t *entry = edge_bias_store_entry(&store, k, &in_room);
        if (entry != NULL && strlen(entry->table.name) >= EDGE_BIAS_NAME_BYTES) {
          abort();
        }
      }
    }
    free(room);
  }
  free(section);
}

int main(int argc, char **argv) {
  static uint8_t good[1u << 16], input[1u << 16];
  FILE *file = argc == 6 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: fuzz_bias SECTION VOCAB CRC SEED ROUNDS\n");
    return 2;
  }
  const uint32_t size = (uint32_t)fread(good, 1, sizeof good, file);
  fclose(file);
  vocab = (uint32_t)strtoul(argv[2], NULL, 10);
  tokens_crc = (uint32_t)strtoul(argv[3], NULL, 10);
  state = (uint32_t)strtoul(argv[4], NULL, 10) | 1u;
  for (uint32_t round = (uint32_t)strtoul(argv[5], NULL, 10); round > 0; round--) {
    memcpy(input, good, size);
    damage(input, size);
    try_section(input, draw(12) == 0 ? draw(size + 1) : size);
  }
  printf("%u %u %u\n", accepted[0], accepted[1], attended);
  return 0;
}
