/* From accumulators to the output: scale, native curves, range, lookup tables. */
#include <stddef.h>
#include <string.h>

#include "ethosu/job.h"

#define TANH 3u
#define SIGMOID 4u
#define FIRST_TABLE 16u
#define SLOT_BYTES 256u
#define TABLE_MEMORY 2048u /* the last two banks of the internal memory */
#define CLIP_S8 3u         /* ACTIVATION: the range before a lookup is that of int8 */
#define CLIP_S16 5u

/* The same where 64 bits do not hold the product: it is kept as high * 2^32 + low. */
static int64_t rescale_wide(int64_t v, uint32_t multiplier, uint32_t shift, int64_t nudge,
                            bool truncate) {
  bool negate = truncate && v < 0;
  int64_t value = negate ? -v : v;
  uint64_t low = (uint64_t)(uint32_t)value * multiplier;
  int64_t high = (value >> 32) * (int64_t)multiplier + (int64_t)(low >> 32);
  uint64_t sum = (uint64_t)(uint32_t)low + (uint32_t)nudge;
  high += (nudge >> 32) + (int64_t)(sum >> 32);
  int64_t result;
  if (shift >= 32u) {
    result = high >> (shift - 32u);
  } else {
    /* Results beyond 32 bits saturate behind this, whatever they are. */
    int64_t far = ((int64_t)1 << 30) + 1;
    high = high > far ? far : high < -far ? -far : high;
    result = (int64_t)((uint64_t)high << (32u - shift)) + (int64_t)((uint32_t)sum >> shift);
  }
  return negate ? -result : result;
}

int64_t edge_emu_rescale(int64_t v, uint32_t multiplier, uint32_t shift, uint32_t rounding,
                         uint32_t lift) {
  int64_t nudge = 0;
  if (rounding != EDGE_EMU_TRUNCATE) {
    nudge = shift > 0u ? (int64_t)1 << (shift - 1u) : 0;
    if (rounding == EDGE_EMU_DOUBLE && shift > 31u - lift) {
      int64_t first = (int64_t)1 << (30u - lift);
      nudge += v >= 0 ? first : -first;
    }
  }
  bool narrow = v >= EDGE_EMU_SMALLEST && v <= EDGE_EMU_LARGEST && multiplier <= INT32_MAX;
  if (!narrow) {
    int64_t most = (int64_t)1 << 62; /* what 32-bit products reach */
    v = v > most ? most : v < -most ? -most : v;
    return rescale_wide(v, multiplier, shift, nudge, rounding == EDGE_EMU_TRUNCATE);
  }
  int64_t product = v * (int64_t)multiplier;
  if (rounding == EDGE_EMU_TRUNCATE && product < 0) {
    return -(-product >> shift);
  }
  return (product + nudge) >> shift;
}

/* TFLite's table for int16 curves: entries lie above the logistic curve by half of what linear
 * interpolation between them would miss, h^2 / 16 times the second derivative; the last one is 1.
 * exp(-i / 24) is a product of i factors: 1e-14 off at most, where 1e-4 would matter. */
void edge_emu_make_curve(uint16_t curve[EDGE_ETHOSU_CURVE]) {
  const double factor = 0.95918945710913569; /* exp(-1 / 24) */
  double power = 1.0;
  for (uint32_t i = 0; i < EDGE_ETHOSU_CURVE; i++) {
    double y = 1.0 / (1.0 + power);
    double lift = y * (1.0 - y) * (2.0 * y - 1.0) / (24.0 * 24.0 * 16.0);
    double scaled = 65536.0 * (y + lift) + 0.5;
    curve[i] = (uint16_t)(scaled < 65535.0 ? scaled : 65535.0);
    power *= factor;
  }
  curve[EDGE_ETHOSU_CURVE - 1u] = 65535u;
}

/* The curve at |x|, `bits` bits of which lie between two entries; `far` from the last entry on. */
static int64_t interpolate(const uint16_t *curve, int64_t magnitude, uint32_t bits, int64_t far) {
  int64_t index = magnitude >> bits;
  if (index >= (int64_t)EDGE_ETHOSU_CURVE - 1) {
    return far;
  }
  int64_t between = magnitude & (((int64_t)1 << bits) - 1);
  int64_t low = curve[index];
  return (low << bits) + between * (curve[index + 1] - low);
}

static int64_t magnitude_of(int64_t x) { return x < 0 ? -x : x; }

int64_t edge_emu_sigmoid(const uint16_t *curve, int64_t x) {
  const int64_t half = 1 << 9;
  int64_t y = interpolate(curve, magnitude_of(x), 9, (int64_t)0x7fff << 10);
  return x >= 0 ? (y + half) >> 10 : ((1 << 25) - y + half - 1) >> 10;
}

int64_t edge_emu_tanh(const uint16_t *curve, int64_t x) {
  const int64_t half = 1 << 7;
  int64_t y = interpolate(curve, magnitude_of(x), 8, (int64_t)0xffff << 8);
  return x >= 0 ? (y - (1 << 23) + half) >> 8 : (-y + (1 << 23) + half - 1) >> 8;
}

static bool open_table(edge_ethosu_t *npu, edge_emu_output_t *out) {
  uint32_t bytes = out->fm.bytes == 1u ? 256u : out->fm.bytes == 2u ? 2048u : 1024u;
  uint32_t offset = (out->function - FIRST_TABLE) * SLOT_BYTES;
  if (out->function - FIRST_TABLE >= 8u || offset + bytes > TABLE_MEMORY) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_LOOKUP, EDGE_ETHOSU_INTERNAL, offset);
  }
  out->table = &npu->shram[npu->shram_bytes - TABLE_MEMORY + offset];
  return true;
}

bool edge_emu_open_output(edge_ethosu_t *npu, bool scaled, edge_emu_output_t *out) {
  const edge_ethosu_state_t *s = &npu->state;
  if (!edge_emu_open_ofm(npu, &out->fm)) {
    return false;
  }
  uint32_t precision = s->ofm.precision;
  uint32_t clip = (uint32_t)s->activation >> 12 & 7u;
  out->rounding = precision >> 14;
  out->scaled = scaled && (precision >> 8 & 1u) != 0u;
  out->scale = s->ofm_scale;
  out->function = s->activation & 0x1fu;
  out->table = NULL;
  bool is_signed = out->fm.is_signed || clip == CLIP_S8 || clip == CLIP_S16;
  out->low = is_signed ? (int16_t)s->activation_min : (int64_t)s->activation_min;
  out->high = is_signed ? (int16_t)s->activation_max : (int64_t)s->activation_max;
  out->zero = out->fm.zero;
  if (out->fm.bytes == 4u && clip == 0u) { /* the registers have 16 bits */
    out->low = EDGE_EMU_SMALLEST;
    out->high = EDGE_EMU_LARGEST;
    out->zero = 0;
  }
  bool known = out->function == 0u || out->function == TANH || out->function == SIGMOID ||
               out->function >= FIRST_TABLE;
  if (!known || out->rounding > EDGE_EMU_NATURAL) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, s->ofm.region, s->ofm.base[0]);
  }
  return out->function < FIRST_TABLE || open_table(npu, out);
}

static int64_t look_up(const edge_emu_output_t *out, int64_t v) {
  if (out->fm.bytes == 1u) {
    uint8_t entry = out->table[(out->fm.is_signed ? v + 128 : v) & 0xff];
    return out->fm.is_signed ? (int8_t)entry : (int64_t)entry;
  }
  if (out->fm.bytes == 2u) { /* 512 lines: base in the low half, slope in the high one */
    int64_t x = out->fm.is_signed ? v : v - 32768;
    int16_t line[2];
    memcpy(line, &out->table[4 * (((x >> 7) + 256) & 511)], sizeof line);
    return line[0] + ((line[1] * (x & 127) + 64) >> 7);
  }
  int32_t entry;
  memcpy(&entry, &out->table[4 * ((v + 128) & 0xff)], sizeof entry);
  return entry;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high) {
  return v < low ? low : v > high ? high : v;
}

void edge_emu_finish(const edge_emu_output_t *out, const edge_emu_channel_t *channels,
                     uint32_t count, int64_t *values) {
  const uint16_t *curve = out->fm.npu->curve;
  for (uint32_t i = 0; i < count; i++) {
    int64_t v = values[i];
    if (out->scaled) {
      v = edge_emu_rescale(v, out->scale.multiplier, out->scale.shift, out->rounding, 0);
    } else if (channels != NULL) {
      v = edge_emu_rescale(v, channels[i].multiplier, channels[i].shift, out->rounding, 0);
    }
    if (out->function == TANH) {
      v = edge_emu_tanh(curve, v);
    } else if (out->function == SIGMOID) {
      v = edge_emu_sigmoid(curve, v);
    }
    v = clamp(v + out->zero, out->low, out->high);
    values[i] = out->function >= FIRST_TABLE ? look_up(out, v) : v;
  }
}
