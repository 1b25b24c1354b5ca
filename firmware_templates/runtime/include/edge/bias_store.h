/* The tables that a recogniser can use: those of its image's BIAS section, and those that arrived
 * since in a room of its workspace (docs/biasing.md). Up to four of each kind are active, those of
 * nodes for the search and those of rows for attention; a name can mean one of each.
 *
 * A table arrives in the free part of the room and is checked there; only then does it take the
 * place of the one with its name, so that whatever breaks off or is damaged changes nothing. */
#ifndef EDGE_BIAS_STORE_H
#define EDGE_BIAS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/attention.h"
#include "edge/bias.h"
#include "edge/status.h"

#define EDGE_BIAS_STORED (4u * EDGE_BIAS_TABLES) /* of each kind, of the image and of the room */
#define EDGE_BIAS_MAX_ROOM (1u << 24)

typedef struct edge_bias_entry {
  edge_bias_table_t table;
  bool active;
} edge_bias_entry_t;

typedef struct edge_bias_transfer {
  bool running;
  uint32_t bytes, received, crc, expected_crc;
} edge_bias_transfer_t;

typedef struct edge_bias_store {
  uint32_t vocab, tokens_crc;
  const edge_attention_t *attention; /* the adapter's measures */
  uint8_t *room;
  uint32_t room_bytes;
  uint32_t used; /* of the room; tables lie in it one behind the other, in the order of entries */
  uint32_t shipped, loaded; /* tables of the image, then those of the room */
  edge_bias_entry_t entry[EDGE_BIAS_STORED];
  edge_bias_transfer_t transfer;
  edge_bias_t active; /* what a search reads */
} edge_bias_store_t;

/* Validate a BIAS section, which stays valid, starts at a multiple of 4, and whose tables become
 * active; NULL for none. `tokens_crc` is the CRC-32 of the TOKS section. `attention`, which stays
 * valid, has 0 rows where there is no adapter. EDGE_NO_MEMORY: more phrases than it has rows. */
edge_status_t edge_bias_store_open(edge_bias_store_t *store, const uint8_t *section, uint32_t size,
                                   uint32_t vocab, uint32_t tokens_crc,
                                   const edge_attention_t *attention);

/* Bytes of the room, a multiple of 16. */
uint32_t edge_bias_store_memory(const edge_bias_store_t *store);

/* Give the room, 16-byte aligned. */
void edge_bias_store_bind(edge_bias_store_t *store, void *room);

/* A table of `bytes` bytes with that CRC-32 arrives. EDGE_NO_MEMORY where the free part of the room
 * is too small. An unfinished one is forgotten. */
edge_status_t edge_bias_store_begin(edge_bias_store_t *store, uint32_t bytes, uint32_t crc);

/* Its next piece, without gaps. */
edge_status_t edge_bias_store_data(edge_bias_store_t *store, uint32_t offset, const uint8_t *data,
                                   uint32_t size);

/* Forget what has arrived of an unfinished table. */
void edge_bias_store_cancel(edge_bias_store_t *store);

/* The three below change what a search reads: only between two utterances. */

/* The table is whole: check it, and let it take the place of the one with its name and kind, active
 * where that one was; a new name is active where fewer than four of the kind are. EDGE_NO_MEMORY:
 * the room holds four such tables of other names, or the active phrases exceed attention's rows. */
edge_status_t edge_bias_store_end(edge_bias_store_t *store);

/* Make exactly the tables active whose names follow each other in `names`, each as u8 length and
 * characters. A refusal changes nothing. EDGE_BAD_ARGUMENT: an unknown name, one that comes twice,
 * or more than four of a kind; EDGE_NO_MEMORY: more phrases than attention's rows. */
edge_status_t edge_bias_store_use(edge_bias_store_t *store, const uint8_t *names, uint32_t size);

/* Free the room of the tables with a name, or of all where `length` is 0. Those of the image with
 * that name come back, inactive where attention's rows do not hold them. EDGE_BAD_ARGUMENT: none in
 * the room has it. */
edge_status_t edge_bias_store_clear(edge_bias_store_t *store, const uint8_t *name, uint32_t length);

/* Write the active rows where the adapter reads them; see edge_attention_fill. */
uint32_t edge_bias_store_attend(const edge_bias_store_t *store);

/* Table `index` in the order of entries that a name finds, with whether it is in the room; NULL
 * behind the last. */
const edge_bias_entry_t *edge_bias_store_entry(const edge_bias_store_t *store, uint32_t index,
                                               bool *in_room);

#endif
