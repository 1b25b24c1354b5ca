/* Biasing by attention: phrases as keys and values, which an adapter, an int8 graph of the image,
 * asks for every encoder frame (docs/biasing.md).
 *
 * The adapter has three inputs: encoder_out, and keys [heads, rows, width] and values [heads,
 * width, rows], which lie in its state block, where they stay from frame to frame. Row 0 is the
 * entry for "no phrase". The last element of a head's key marks an empty row: the lowest value
 * there lets nobody attend to it. */
#ifndef EDGE_ATTENTION_H
#define EDGE_ATTENTION_H

#include <stdint.h>

#include "edge/bias.h"
#include "edge/graph.h"
#include "edge/status.h"

#define EDGE_ATTENTION_MAGIC 0x4E545441u /* "ATTN" */
#define EDGE_ATTENTION_MAX_HEADS 16u
#define EDGE_ATTENTION_MAX_ROWS 4096u
#define EDGE_ATTENTION_MAX_WIDTH 256u

typedef struct edge_attention {
  uint32_t heads, rows, width; /* rows: 0 without an adapter */
  uint32_t adapter_crc;        /* CRC-32 of its section, by which tables know it */
  int8_t *keys;
  int8_t *values;
} edge_attention_t;

/* Take the measures of an adapter that edge_graph_open accepted, for `encoder_out_bytes` bytes of
 * encoder output, and refuse one of another form. */
edge_status_t edge_attention_open(edge_attention_t *attention, const edge_graph_t *adapter,
                                  uint32_t encoder_out_bytes);

/* Find keys and values in the adapter's state block, which edge_graph_bind gave. EDGE_BAD_LAYOUT
 * where they lie elsewhere. */
edge_status_t edge_attention_bind(edge_attention_t *attention, const edge_graph_t *adapter);

/* Validate a table of rows, which stays valid and has to be `size` bytes long, for this adapter. */
edge_status_t edge_attention_table_open(edge_bias_table_t *table, const uint8_t *data,
                                        uint32_t size, const edge_attention_t *attention);

/* Phrases that fit beside row 0. */
uint32_t edge_attention_room(const edge_attention_t *attention);

/* Write the rows of `count` tables, which fit, and empty ones behind them. Returns how many phrases
 * there are; with none, keys and values stay as they are. */
uint32_t edge_attention_fill(const edge_attention_t *attention,
                             const edge_bias_table_t *const *tables, uint32_t count);

#endif
