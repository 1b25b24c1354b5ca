/* Reads the compressed weights of Ethos-U55 and U65 as a stream.
 *
 * A stream is a row of slices. Each codes up to 32768 values by Golomb-Rice numbers, taken from a
 * palette or directly, and, where its header says so, a run of zeros behind each. Bits are read
 * from the least significant one. Any bytes are safe to read; what cannot be a stream fails. */
#ifndef EDGE_ETHOSU_MLW_H
#define EDGE_ETHOSU_MLW_H

#include <stdbool.h>
#include <stdint.h>

#define EDGE_MLW_TAKE 64u     /* most weights that one call hands out */
#define EDGE_MLW_BUFFER 1024u /* decoded ahead */
#define EDGE_MLW_SYMBOLS 12u  /* of a chunk */
#define EDGE_MLW_DIGITS 256u  /* what 4 first and 4 second bits can be */
#define EDGE_MLW_QUEUE 64u    /* values, or runs, that wait for the other kind */
#define EDGE_MLW_INDICES 512u

/* One of the two kinds of numbers that a slice interleaves, values and runs of zeros. */
typedef struct edge_mlw_lane {
  uint32_t total;   /* numbers in the slice */
  uint32_t started; /* whose quotient was read; may pass total */
  uint32_t done;    /* whose remainder was read too */
  uint32_t carry;   /* quotient that goes on in the next chunk */
  uint32_t waiting[2];
  uint32_t quotients[2][EDGE_MLW_SYMBOLS + 4u];
  uint32_t queue[EDGE_MLW_QUEUE];
  uint32_t in;
  uint32_t out;
} edge_mlw_lane_t;

/* Where a stream is read, from the lowest bit of `word` on. */
typedef struct edge_mlw_bits {
  const uint8_t *data;
  uint64_t word;
  uint32_t held; /* bits in `word` */
  uint32_t bytes;
  uint32_t at; /* next byte that enters `word` */
} edge_mlw_bits_t;

typedef struct edge_mlw {
  edge_mlw_bits_t bits;
  bool failed;
  bool ended;
  bool in_slice;
  bool has_palette;
  bool has_runs;
  bool run_next; /* a run comes before the next value */
  bool raw;      /* values without quotient */
  bool truncated;
  bool has_digits;
  uint32_t value_bits; /* of a value's remainder */
  uint32_t run_bits;
  uint32_t raw_bits; /* that the palette's header gives */
  uint32_t turn;
  uint32_t zeros; /* of the run that is being written */
  edge_mlw_lane_t values;
  edge_mlw_lane_t runs;
  uint32_t head;
  uint32_t tail;
  int16_t table[EDGE_MLW_INDICES];  /* weight of an index */
  uint32_t digits[EDGE_MLW_DIGITS]; /* quotients that four digits make (mlw.c) */
  int16_t buffer[EDGE_MLW_BUFFER];
} edge_mlw_t;

void edge_mlw_open(edge_mlw_t *mlw, const uint8_t *data, uint32_t bytes);

/* Decode ahead until `count` (at most EDGE_MLW_TAKE) weights lie at buffer[head]; false where the
 * stream ends before or is damaged (mlw->failed). */
bool edge_mlw_fill(edge_mlw_t *mlw, uint32_t count);

/* The next `count` weights, valid until the next call; NULL where there are not as many. */
static inline const int16_t *edge_mlw_take(edge_mlw_t *mlw, uint32_t count) {
  if (mlw->tail - mlw->head < count && !edge_mlw_fill(mlw, count)) {
    return 0;
  }
  const int16_t *found = &mlw->buffer[mlw->head];
  mlw->head += count;
  return found;
}

#endif
