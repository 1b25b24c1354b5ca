#include "ethosu/mlw.h"

#include <stddef.h>
#include <string.h>

#define NO_RUNS 6u       /* ZDIV: the slice has no runs of zeros */
#define END_OF_STREAM 7u /* ZDIV: what follows starts at a whole byte, anew */
#define RAW 7u           /* WDIV */
#define LONGEST_RUN (1u << 27)

/* At least 56 bits are held behind it; zeros stand in for what lies behind the stream. */
static inline void refill(edge_mlw_bits_t *bits) {
  if (bits->at + 8u <= bits->bytes) {
    uint64_t word;
    memcpy(&word, bits->data + bits->at, sizeof word);
    bits->word |= word << bits->held;
    bits->at += (63u - bits->held) >> 3;
    bits->held |= 56u;
    return;
  }
  while (bits->held <= 56u) {
    uint64_t byte = bits->at < bits->bytes ? bits->data[bits->at] : 0u;
    bits->word |= byte << bits->held;
    bits->at++;
    bits->held += 8u;
  }
}

/* `count` bits, less than 32, of those held. */
static inline uint32_t take_bits(edge_mlw_bits_t *bits, uint32_t count) {
  uint32_t value = (uint32_t)bits->word & ((1u << count) - 1u);
  bits->word >>= count;
  bits->held -= count;
  return value;
}

static uint64_t bits_read(const edge_mlw_bits_t *bits) {
  return (uint64_t)bits->at * 8u - bits->held;
}

static bool overran(const edge_mlw_bits_t *bits) {
  return bits_read(bits) > (uint64_t)bits->bytes * 8u;
}

/* Sign in the lowest bit, magnitude above it. */
static int16_t weight_of(uint32_t code) {
  int32_t magnitude = (int32_t)(code >> 1);
  return (int16_t)((code & 1u) != 0u ? -magnitude : magnitude);
}

static void read_palette(edge_mlw_t *mlw) {
  refill(&mlw->bits);
  uint32_t direct = take_bits(&mlw->bits, 5);
  uint32_t entries = take_bits(&mlw->bits, 5);
  uint32_t bits = take_bits(&mlw->bits, 3) + 2u;
  entries += entries > 0u ? 1u : 0u;
  for (uint32_t i = 0; i < entries; i++) {
    refill(&mlw->bits);
    mlw->table[i] = weight_of(take_bits(&mlw->bits, bits));
  }
  for (uint32_t i = entries; i < EDGE_MLW_INDICES; i++) {
    mlw->table[i] = weight_of(i - entries + direct);
  }
  mlw->raw_bits = bits;
  if (entries > 0u) {
    mlw->raw_bits = 0;
    while ((1u << mlw->raw_bits) < entries) {
      mlw->raw_bits++;
    }
  }
  mlw->has_palette = true;
}

static void open_lane(edge_mlw_lane_t *lane, uint32_t total) {
  lane->total = total;
  lane->started = lane->done = lane->carry = 0;
  lane->waiting[0] = lane->waiting[1] = 0;
  lane->in = lane->out = 0;
}

/* ZDIV of the next slice; END_OF_STREAM at the end. */
static uint32_t find_slice(edge_mlw_t *mlw) {
  refill(&mlw->bits);
  uint32_t run_bits = take_bits(&mlw->bits, 3);
  while (run_bits == END_OF_STREAM) {
    (void)take_bits(&mlw->bits, mlw->bits.held & 7u);
    mlw->has_palette = false;
    if (bits_read(&mlw->bits) >= (uint64_t)mlw->bits.bytes * 8u) {
      return END_OF_STREAM;
    }
    refill(&mlw->bits);
    run_bits = take_bits(&mlw->bits, 3);
  }
  return run_bits;
}

/* Four digits, by their first bits (low) and second bits (high), as one word: the quotients that
 * end there in 4 bits each, their number in bits 16 to 18, what goes on in bits 20 to 23, and how
 * many second bits were used in bits 24 to 26. */
static uint32_t four_digits(uint32_t first, uint32_t second, bool truncated) {
  uint32_t packed = 0;
  uint32_t count = 0;
  uint32_t sum = 0;
  uint32_t used = 0;
  for (uint32_t i = 0; i < 4u; i++) {
    uint32_t one = first >> i & 1u;
    uint32_t two = one & second >> used;
    used += one;
    sum += one + two;
    if (two == 0u || truncated) {
      packed |= sum << (4u * count++);
      sum = 0;
    }
  }
  return packed | count << 16 | sum << 20 | used << 24;
}

static void make_digits(edge_mlw_t *mlw) {
  for (uint32_t i = 0; i < EDGE_MLW_DIGITS; i++) {
    mlw->digits[i] = four_digits(i & 15u, i >> 4, false);
  }
  mlw->has_digits = true;
}

static void open_slice(edge_mlw_t *mlw) {
  uint32_t run_bits = find_slice(mlw);
  mlw->ended = run_bits == END_OF_STREAM;
  if (mlw->ended) {
    return;
  }
  refill(&mlw->bits);
  bool had_runs = mlw->has_runs;
  mlw->has_runs = run_bits != NO_RUNS;
  mlw->run_bits = run_bits;
  uint32_t count = take_bits(&mlw->bits, 15) + 1u;
  mlw->value_bits = take_bits(&mlw->bits, 3);
  mlw->truncated = take_bits(&mlw->bits, 1) != 0u;
  bool palette = take_bits(&mlw->bits, 1) != 0u;
  if ((!palette && (!mlw->has_palette || had_runs != mlw->has_runs)) || mlw->value_bits == 6u ||
      (mlw->has_runs && run_bits > 3u)) {
    mlw->failed = true;
    return;
  }
  if (palette) {
    read_palette(mlw);
  }
  mlw->raw = mlw->value_bits == RAW;
  if (!mlw->raw && !mlw->has_digits) {
    make_digits(mlw);
  }
  if (mlw->raw) {
    mlw->value_bits = mlw->raw_bits;
  }
  open_lane(&mlw->values, count);
  open_lane(&mlw->runs, mlw->has_runs ? count + (palette ? 1u : 0u) : 0u);
  mlw->run_next = mlw->has_runs && palette;
  mlw->turn = 0;
  mlw->in_slice = true;
}

/* Quotients of runs: unary, a 0 ends each. */
static void read_run_quotients(edge_mlw_t *mlw) {
  edge_mlw_lane_t *lane = &mlw->runs;
  uint32_t length = mlw->run_bits < 3u ? 12u : 8u;
  uint32_t unary = take_bits(&mlw->bits, length);
  uint32_t *out = lane->quotients[mlw->turn];
  uint32_t count = 0;
  uint32_t sum = lane->carry;
  for (uint32_t i = 0; i < length; i++, unary >>= 1) {
    if ((unary & 1u) != 0u) {
      sum++;
    } else {
      out[count++] = sum;
      sum = 0;
    }
  }
  mlw->failed = mlw->failed || sum > LONGEST_RUN;
  lane->carry = sum;
  lane->started += count;
  lane->waiting[mlw->turn] = count;
}

/* Quotients of values: digits 0, 1 and 2, the first bits of all digits before all second bits; a 2
 * goes on in the next digit, unless the slice is truncated to quotients of one digit. */
static void read_value_quotients(edge_mlw_t *mlw, uint32_t first) {
  edge_mlw_lane_t *lane = &mlw->values;
  uint32_t *out = lane->quotients[mlw->turn];
  uint32_t second = (uint32_t)mlw->bits.word;
  uint32_t carry = lane->carry;
  uint32_t count = 0;
  uint32_t used = 0;
  for (uint32_t i = 0; i < EDGE_MLW_SYMBOLS; i += 4u, first >>= 4) {
    uint32_t low = first & 15u;
    uint32_t high = second & 15u;
    uint32_t four = mlw->truncated ? four_digits(low, high, true) : mlw->digits[low | high << 4];
    uint32_t ended = four >> 16 & 7u;
    out[count] = carry + (four & 15u);
    out[count + 1u] = four >> 4 & 15u;
    out[count + 2u] = four >> 8 & 15u;
    out[count + 3u] = four >> 12 & 15u;
    carry = (ended > 0u ? 0u : carry) + (four >> 20 & 15u);
    count += ended;
    second >>= four >> 24;
    used += four >> 24;
  }
  (void)take_bits(&mlw->bits, used);
  mlw->failed = mlw->failed || carry >= EDGE_MLW_INDICES;
  lane->carry = carry;
  lane->started += count;
  lane->waiting[mlw->turn] = count;
}

/* Values without quotients. */
static void start_raw_values(edge_mlw_t *mlw) {
  edge_mlw_lane_t *lane = &mlw->values;
  uint32_t count = mlw->value_bits > 5u ? 8u : EDGE_MLW_SYMBOLS;
  memset(lane->quotients[mlw->turn], 0, sizeof lane->quotients[0]);
  lane->started += count;
  lane->waiting[mlw->turn] = count;
}

/* Weights of `count` quotients and the remainders that come next; false where one is no index. */
static bool read_weights(edge_mlw_t *mlw, const uint32_t *quotients, uint32_t count, int16_t *out) {
  const uint32_t bits = mlw->value_bits;
  const uint32_t mask = (1u << bits) - 1u;
  const uint32_t *end = quotients + count;
  uint32_t largest = 0;
  while (quotients < end) {
    refill(&mlw->bits);
    uint64_t word = mlw->bits.word;
    const uint32_t *stop = end - quotients > 6 ? quotients + 6 : end; /* 9 bits each are held */
    mlw->bits.held -= (uint32_t)(stop - quotients) * bits;
    for (; quotients < stop; quotients++) {
      uint32_t index = (*quotients << bits) + ((uint32_t)word & mask);
      word >>= bits;
      largest |= index;
      *out++ = mlw->table[index % EDGE_MLW_INDICES];
    }
    mlw->bits.word = word;
  }
  return largest < EDGE_MLW_INDICES;
}

/* Values whose quotients the chunk before held. Without runs they are weights at once. */
static void read_values(edge_mlw_t *mlw) {
  edge_mlw_lane_t *lane = &mlw->values;
  const uint32_t *quotients = lane->quotients[mlw->turn ^ 1u];
  uint32_t count = lane->waiting[mlw->turn ^ 1u];
  if (count > lane->total - lane->done) {
    count = lane->total - lane->done;
  }
  int16_t weights[EDGE_MLW_SYMBOLS];
  int16_t *out = mlw->has_runs ? weights : &mlw->buffer[mlw->tail];
  bool known = read_weights(mlw, quotients, count, out);
  if (mlw->has_runs) {
    for (uint32_t i = 0; i < count; i++) {
      lane->queue[lane->in++ % EDGE_MLW_QUEUE] = (uint32_t)(uint16_t)weights[i];
    }
  } else {
    mlw->tail += count;
  }
  mlw->failed = mlw->failed || !known;
  lane->done += count;
  lane->waiting[mlw->turn ^ 1u] = 0;
}

static void read_runs(edge_mlw_t *mlw) {
  edge_mlw_lane_t *lane = &mlw->runs;
  uint32_t count = lane->waiting[mlw->turn ^ 1u];
  if (count > lane->total - lane->done) {
    count = lane->total - lane->done;
  }
  refill(&mlw->bits);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t quotient = lane->quotients[mlw->turn ^ 1u][i];
    lane->queue[lane->in++ % EDGE_MLW_QUEUE] =
        (quotient << mlw->run_bits) + take_bits(&mlw->bits, mlw->run_bits);
  }
  lane->done += count;
  lane->waiting[mlw->turn ^ 1u] = 0;
}

/* A chunk: quotients of up to 12 values and of up to 12 runs, then the remainders that belong to
 * the quotients of the chunk before. The kind that is ahead of the other waits. */
static void read_chunk(edge_mlw_t *mlw) {
  uint32_t values = mlw->values.started;
  uint32_t runs = mlw->runs.started;
  bool more_values = values < mlw->values.total && (!mlw->has_runs || values < runs + 8u);
  bool more_runs = mlw->has_runs && runs < mlw->runs.total && values >= runs;
  refill(&mlw->bits);
  uint32_t first = more_values && !mlw->raw ? take_bits(&mlw->bits, EDGE_MLW_SYMBOLS) : 0u;
  if (more_runs) {
    read_run_quotients(mlw);
  }
  if (more_values && mlw->raw) {
    start_raw_values(mlw);
  } else if (more_values) {
    read_value_quotients(mlw, first);
  }
  read_values(mlw);
  if (mlw->has_runs) {
    read_runs(mlw);
  }
  mlw->turn ^= 1u;
  mlw->failed = mlw->failed || overran(&mlw->bits);
}

/* Values and runs that wait, as weights, as far as the buffer has room. */
static void interleave(edge_mlw_t *mlw) {
  while (mlw->tail < EDGE_MLW_BUFFER) {
    if (mlw->zeros > 0u) {
      uint32_t room = EDGE_MLW_BUFFER - mlw->tail;
      uint32_t count = mlw->zeros < room ? mlw->zeros : room;
      memset(&mlw->buffer[mlw->tail], 0, count * sizeof mlw->buffer[0]);
      mlw->tail += count;
      mlw->zeros -= count;
    } else if (mlw->run_next) {
      if (mlw->runs.in == mlw->runs.out) {
        return;
      }
      mlw->zeros = mlw->runs.queue[mlw->runs.out++ % EDGE_MLW_QUEUE];
      mlw->run_next = false;
    } else {
      if (mlw->values.in == mlw->values.out) {
        return;
      }
      uint32_t weight = mlw->values.queue[mlw->values.out++ % EDGE_MLW_QUEUE];
      mlw->buffer[mlw->tail++] = (int16_t)(uint16_t)weight;
      mlw->run_next = true;
    }
  }
}

static bool slice_done(const edge_mlw_t *mlw) {
  return mlw->values.done == mlw->values.total && mlw->runs.done == mlw->runs.total &&
         mlw->values.in == mlw->values.out && mlw->runs.in == mlw->runs.out && mlw->zeros == 0u;
}

void edge_mlw_open(edge_mlw_t *mlw, const uint8_t *data, uint32_t bytes) {
  memset(mlw, 0, offsetof(edge_mlw_t, table));
  mlw->bits.data = data;
  mlw->bits.bytes = bytes;
  mlw->ended = bytes == 0u;
}

bool edge_mlw_fill(edge_mlw_t *mlw, uint32_t count) {
  uint32_t left = mlw->tail - mlw->head;
  memmove(mlw->buffer, &mlw->buffer[mlw->head], left * sizeof mlw->buffer[0]);
  mlw->head = 0;
  mlw->tail = left;
  while (mlw->tail <= EDGE_MLW_BUFFER - EDGE_MLW_SYMBOLS && !mlw->failed && !mlw->ended) {
    if (!mlw->in_slice) {
      open_slice(mlw);
    } else {
      if (mlw->has_runs) {
        interleave(mlw);
      }
      if (slice_done(mlw)) {
        mlw->in_slice = false;
      } else if (mlw->tail <= EDGE_MLW_BUFFER - EDGE_MLW_SYMBOLS) {
        read_chunk(mlw);
      }
    }
  }
  return !mlw->failed && mlw->tail >= count;
}
