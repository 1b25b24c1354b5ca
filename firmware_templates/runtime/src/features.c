#include "edge/features.h"

#include <float.h>
#include <string.h>

#include "load.h"

#if FLT_EVAL_METHOD != 0
#error "features need float32 arithmetic without excess precision (on x86-32: -msse2 -mfpmath=sse)"
#endif

#define HEADER_BYTES 112u
#define MAX_FFT 4096u
#define MAX_MEL 128u
#define MAX_FRAMES 4096u    /* of one encoder window */
#define MAX_TAIL (1u << 24) /* samples */

static uint32_t align16(uint32_t bytes) { return (bytes + 15u) & ~15u; }

static bool is_finite(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7f800000u) != 0x7f800000u;
}

/* The f32 table at the offset stored in `field`, or NULL where it is out of bounds, unaligned or
 * not finite. */
static const float *float_table(const uint8_t *section, uint32_t size, uint32_t field,
                                uint32_t count) {
  const uint32_t offset = edge_load_u32(section + field);
  if (offset < HEADER_BYTES || offset % 4 != 0 || !edge_table_fits(size, offset, count, 4)) {
    return NULL;
  }
  const float *table = (const float *)(const void *)(section + offset);
  for (uint32_t i = 0; i < count; i++) {
    if (!is_finite(table[i])) {
      return NULL;
    }
  }
  return table;
}

static bool sizes_valid(const edge_features_t *f) {
  const bool snip = (f->flags & EDGE_FEATURES_SNIP_EDGES) != 0;
  return f->sample_rate >= 1000 && f->sample_rate <= 1000000 && f->fft_size >= 16 &&
         f->fft_size <= MAX_FFT && (f->fft_size & (f->fft_size - 1)) == 0 && f->frame_length >= 2 &&
         f->frame_length <= f->fft_size && (snip || f->frame_length % 2 == 0) &&
         f->frame_shift >= 1 && f->frame_shift <= MAX_TAIL && f->mel_bins >= 1 &&
         f->mel_bins <= MAX_MEL && f->window_frames >= 1 && f->window_frames <= MAX_FRAMES &&
         f->window_shift >= 1 && f->window_shift <= f->window_frames &&
         f->tail_padding <= MAX_TAIL && f->flags < 8;
}

static bool values_valid(const edge_features_t *f, float sample_scale) {
  return is_finite(f->preemph) && is_finite(sample_scale) && sample_scale > 0.0f &&
         is_finite(f->energy_floor) && f->energy_floor >= FLT_MIN &&
         is_finite(f->input_inv_scale) && f->input_inv_scale > 0.0f &&
         f->input_zero_point >= -128 && f->input_zero_point <= 127 && f->padding_q >= -128 &&
         f->padding_q <= 127;
}

static bool open_bands(edge_features_t *f, const uint8_t *section, uint32_t size,
                       uint32_t weight_count) {
  const uint32_t offset = edge_load_u32(section + 80);
  if (offset < HEADER_BYTES || offset % 4 != 0 || !edge_table_fits(size, offset, f->mel_bins, 8)) {
    return false;
  }
  f->bands = section + offset;
  for (uint32_t m = 0; m < f->mel_bins; m++) {
    const uint8_t *band = f->bands + 8 * m;
    const uint32_t count = edge_load_u16(band + 2);
    if (edge_load_u16(band) + count > f->fft_size / 2 ||
        !edge_table_fits(weight_count, edge_load_u32(band + 4), count, 1)) {
      return false;
    }
  }
  return true;
}

edge_status_t edge_features_open(edge_features_t *f, const uint8_t *section, uint32_t size) {
  *f = (edge_features_t){0};
  if (size < HEADER_BYTES) {
    return EDGE_TRUNCATED;
  }
  if (((uintptr_t)section & 3u) != 0) {
    return EDGE_BAD_LAYOUT;
  }
  f->sample_rate = edge_load_u32(section);
  f->frame_length = edge_load_u32(section + 4);
  f->frame_shift = edge_load_u32(section + 8);
  f->fft_size = edge_load_u32(section + 12);
  f->mel_bins = edge_load_u32(section + 16);
  f->window_frames = edge_load_u32(section + 20);
  f->window_shift = edge_load_u32(section + 24);
  f->tail_padding = edge_load_u32(section + 28);
  f->flags = edge_load_u32(section + 32);
  f->preemph = edge_load_f32(section + 40);
  const float sample_scale = edge_load_f32(section + 44);
  f->energy_floor = edge_load_f32(section + 48);
  f->input_inv_scale = edge_load_f32(section + 60);
  f->input_zero_point = edge_load_i32(section + 64);
  f->padding_q = edge_load_i32(section + 68);
  if (!sizes_valid(f) || !values_valid(f, sample_scale) ||
      !edge_all_zero(section + 100, HEADER_BYTES - 100)) {
    return EDGE_BAD_LAYOUT;
  }
  /* The real FFT below yields twice the spectrum; all of it is linear, so it is undone per band. */
  const float half = 0.5f * sample_scale;
  f->band_scale = (f->flags & EDGE_FEATURES_USE_POWER) != 0 ? half * half : half;
  const uint32_t weight_count = edge_load_u32(section + 88);
  f->window = float_table(section, size, 72, f->frame_length);
  f->twiddles = float_table(section, size, 76, f->fft_size);
  f->weights = float_table(section, size, 84, weight_count);
  f->mean = float_table(section, size, 92, f->mel_bins);
  f->inv_std = float_table(section, size, 96, f->mel_bins);
  if (f->window == NULL || f->twiddles == NULL || f->weights == NULL || f->mean == NULL ||
      f->inv_std == NULL || !open_bands(f, section, size, weight_count)) {
    return EDGE_BAD_LAYOUT;
  }
  return EDGE_OK;
}

uint32_t edge_features_memory(const edge_features_t *f) {
  return align16(2 * f->frame_length) + align16(4 * f->fft_size) + align16(4 * f->mel_bins);
}

void edge_features_bind(edge_features_t *f, void *memory) {
  uint8_t *at = memory;
  f->samples = (int16_t *)(void *)at;
  at += align16(2 * f->frame_length);
  f->spectrum = (float *)(void *)at;
  at += align16(4 * f->fft_size);
  f->log_mel = (float *)(void *)at;
  edge_features_reset(f);
}

void edge_features_reset(edge_features_t *f) {
  f->lead = 0;
  f->skip = 0;
  if ((f->flags & EDGE_FEATURES_SNIP_EDGES) == 0) {
    /* Kaldi centres frame t on sample (t + 1/2) shift. */
    const uint32_t half_shift = f->frame_shift / 2;
    const uint32_t half_length = f->frame_length / 2;
    f->lead = half_length > half_shift ? half_length - half_shift : 0;
    f->skip = half_shift > half_length ? half_shift - half_length : 0;
  }
  f->filled = f->lead;
}

/* Sum of int16 samples, four at a time. */
static int32_t sum_samples(const int16_t *samples, uint32_t count) {
  int32_t sum = 0;
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    sum += samples[i] + samples[i + 1] + (samples[i + 2] + samples[i + 3]);
  }
  for (; i < count; i++) {
    sum += samples[i];
  }
  return sum;
}

/* Where the samples of a frame come from, and what is done to each. */
typedef struct source {
  const int16_t *samples;
  const float *window;
  uint32_t left;
  int32_t whole; /* the mean: its whole part and the rest */
  float fraction;
  float preemph;
  float previous;
} source_t;

/* The next sample less the mean, pre-emphasised and windowed. */
static inline float next_sample(source_t *from) {
  const float x = (float)(*from->samples++ - from->whole) - from->fraction;
  const float y = (x - from->preemph * from->previous) * *from->window++;
  from->previous = x;
  return y;
}

static float next_or_zero(source_t *from) {
  if (from->left == 0) {
    return 0.0f;
  }
  from->left--;
  return next_sample(from);
}

static source_t frame_source(const edge_features_t *f) {
  const int32_t length = (int32_t)f->frame_length;
  source_t from = {f->samples, f->window, f->frame_length, 0, 0.0f, f->preemph, 0.0f};
  if ((f->flags & EDGE_FEATURES_REMOVE_DC) != 0) {
    const int32_t sum = sum_samples(f->samples, f->frame_length);
    from.whole = sum / length;
    from.fraction = (float)(sum - from.whole * length) / (float)length;
  }
  from.previous = (float)(f->samples[0] - from.whole) - from.fraction;
  return from;
}

/* The frame, two samples each as a complex number, in bit-reversed order: the FFT's input order. */
static void load_frame(edge_features_t *f) {
  source_t from = frame_source(f);
  const uint32_t half = f->fft_size / 4; /* of the complex numbers */
  uint32_t reversed = 0;
  for (uint32_t i = 0; i < half; i++) {
    float *even = f->spectrum + 2 * reversed; /* number 2 i, then number 2 i + 1 */
    float *odd = even + 2 * half;
    if (from.left >= 4) {
      even[0] = next_sample(&from);
      even[1] = next_sample(&from);
      odd[0] = next_sample(&from);
      odd[1] = next_sample(&from);
      from.left -= 4;
    } else {
      even[0] = next_or_zero(&from);
      even[1] = next_or_zero(&from);
      odd[0] = next_or_zero(&from);
      odd[1] = next_or_zero(&from);
    }
    /* Adding 1 flips the trailing ones and the next bit; reversed, these are the highest bits. */
    reversed ^= half - (half >> (1 + __builtin_ctz(i + 1)));
  }
}

/* Butterflies with factor 1: every fourth of the data, `length` complex numbers apart. */
static void radix4_first(float *z, uint32_t points, uint32_t length) {
  const uint32_t gap = 2 * length;
  const float *end = z + 2 * points;
  for (float *a = z; a < end; a += 4 * gap) {
    float *b = a + gap;
    float *c = b + gap;
    float *d = c + gap;
    const float sum_ab_r = a[0] + b[0], sum_ab_i = a[1] + b[1];
    const float dif_ab_r = a[0] - b[0], dif_ab_i = a[1] - b[1];
    const float sum_cd_r = c[0] + d[0], sum_cd_i = c[1] + d[1];
    const float dif_cd_r = c[0] - d[0], dif_cd_i = c[1] - d[1];
    a[0] = sum_ab_r + sum_cd_r;
    a[1] = sum_ab_i + sum_cd_i;
    b[0] = dif_ab_r + dif_cd_i;
    b[1] = dif_ab_i - dif_cd_r;
    c[0] = sum_ab_r - sum_cd_r;
    c[1] = sum_ab_i - sum_cd_i;
    d[0] = dif_ab_r - dif_cd_i;
    d[1] = dif_ab_i + dif_cd_r;
  }
}

/* Butterflies at position k of every block, factors w1 = W^k, w2 = W^2k, w3 = W^3k. */
static void radix4(float *z, uint32_t points, uint32_t length, uint32_t k, const float w[6]) {
  const float w1r = w[0], w1i = w[1], w2r = w[2], w2i = w[3], w3r = w[4], w3i = w[5];
  const uint32_t gap = 2 * length;
  const float *end = z + 2 * points;
  for (float *a = z + 2 * k; a < end; a += 4 * gap) {
    float *b = a + gap;
    float *c = b + gap;
    float *d = c + gap;
    const float br = b[0] * w2r - b[1] * w2i, bi = b[0] * w2i + b[1] * w2r;
    const float cr = c[0] * w1r - c[1] * w1i, ci = c[0] * w1i + c[1] * w1r;
    const float dr = d[0] * w3r - d[1] * w3i, di = d[0] * w3i + d[1] * w3r;
    const float sum_ab_r = a[0] + br, sum_ab_i = a[1] + bi;
    const float dif_ab_r = a[0] - br, dif_ab_i = a[1] - bi;
    const float sum_cd_r = cr + dr, sum_cd_i = ci + di;
    const float dif_cd_r = cr - dr, dif_cd_i = ci - di;
    a[0] = sum_ab_r + sum_cd_r;
    a[1] = sum_ab_i + sum_cd_i;
    b[0] = dif_ab_r + dif_cd_i;
    b[1] = dif_ab_i - dif_cd_r;
    c[0] = sum_ab_r - sum_cd_r;
    c[1] = sum_ab_i - sum_cd_i;
    d[0] = dif_ab_r - dif_cd_i;
    d[1] = dif_ab_i + dif_cd_r;
  }
}

/* In-place complex FFT of `points` numbers in bit-reversed order; two radix-2 levels at a time.
 * `twiddles` holds exp(-2 pi i k / (2 points)) for k < points. */
static void complex_fft(float *z, uint32_t points, const float *twiddles) {
  uint32_t length = 1;
  if ((__builtin_ctz(points) & 1) != 0) {
    for (float *a = z; a < z + 2 * points; a += 4) {
      const float r = a[2], i = a[3];
      a[2] = a[0] - r;
      a[3] = a[1] - i;
      a[0] = a[0] + r;
      a[1] = a[1] + i;
    }
    length = 2;
  }
  for (; length < points; length *= 4) {
    const uint32_t stride = points / (2 * length); /* of W^k in the table, in numbers */
    radix4_first(z, points, length);
    for (uint32_t k = 1; k < length; k++) {
      const uint32_t at3 = 3 * k * stride;
      const bool wraps = at3 >= points;
      const float *w1 = twiddles + 2 * k * stride;
      const float *w2 = twiddles + 4 * k * stride;
      const float *w3 = twiddles + 2 * (wraps ? at3 - points : at3);
      const float w[6] = {
          w1[0], w1[1], w2[0], w2[1], wraps ? -w3[0] : w3[0], wraps ? -w3[1] : w3[1]};
      radix4(z, points, length, k, w);
    }
  }
}

/* Four times the power spectrum of the real signal whose even and odd samples were the real and
 * imaginary parts of the transformed numbers; bin k at z[2 k]. Bin fft_size / 2 is not made. */
static void real_power(float *z, uint32_t points, const float *twiddles) {
  const float zero = 2.0f * (z[0] + z[1]);
  z[0] = zero * zero;
  for (uint32_t k = 1; k <= points / 2; k++) {
    float *low = z + 2 * k;
    float *high = z + 2 * (points - k);
    const float wr = twiddles[2 * k], wi = twiddles[2 * k + 1];
    const float even_r = low[0] + high[0], even_i = low[1] - high[1];
    const float odd_r = low[0] - high[0], odd_i = low[1] + high[1];
    const float turned_r = wr * odd_i + wi * odd_r;
    const float turned_i = wi * odd_i - wr * odd_r;
    const float low_r = even_r + turned_r, low_i = even_i + turned_i;
    const float high_r = even_r - turned_r, high_i = even_i - turned_i;
    low[0] = low_r * low_r + low_i * low_i;
    high[0] = high_r * high_r + high_i * high_i;
  }
}

/* Newton's square root: halving the exponent gives 4 bits, every step doubles them. */
static float square_root(float x) {
  if (!(x >= FLT_MIN)) {
    return 0.0f;
  }
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits >> 1) + 0x1fc00000u;
  float root;
  memcpy(&root, &bits, sizeof root);
  for (int step = 0; step < 4; step++) {
    root = 0.5f * (root + x / root);
  }
  return root;
}

float edge_log(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  /* x = 2^exponent * m with m in [sqrt(1/2), sqrt(2)); 0x3f3504f3 is sqrt(1/2). */
  const uint32_t shifted = bits - 0x3f3504f3u;
  const int32_t exponent = (int32_t)(shifted >> 23) - (shifted >> 31 != 0 ? 512 : 0);
  bits = (shifted & 0x007fffffu) + 0x3f3504f3u;
  float m;
  memcpy(&m, &bits, sizeof m);
  /* ln(m) = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: four terms after the first. */
  const float s = (m - 1.0f) / (m + 1.0f);
  const float z = s * s;
  const float tail = z * (0.6666666667f + z * (0.4f + z * (0.2857142857f + z * 0.2222222222f)));
  const float e = (float)exponent;
  /* ln(2) in two parts; the high one times any exponent is exact. */
  return e * 0.693359375f + (2.0f * s + (s * tail - e * 0.00021219444f));
}

static void compute_frame(edge_features_t *f) {
  const uint32_t points = f->fft_size / 2;
  float *z = f->spectrum;
  load_frame(f);
  complex_fft(z, points, f->twiddles);
  real_power(z, points, f->twiddles);
  if ((f->flags & EDGE_FEATURES_USE_POWER) == 0) {
    for (uint32_t k = 0; k < points; k++) {
      z[2 * k] = square_root(z[2 * k]);
    }
  }
  for (uint32_t m = 0; m < f->mel_bins; m++) {
    const uint8_t *band = f->bands + 8 * m;
    const float *bin = z + 2 * edge_load_u16(band);
    const uint32_t count = edge_load_u16(band + 2);
    const float *weight = f->weights + edge_load_u32(band + 4);
    float sum = 0.0f;
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4, bin += 8, weight += 4) {
      sum += bin[0] * weight[0];
      sum += bin[2] * weight[1];
      sum += bin[4] * weight[2];
      sum += bin[6] * weight[3];
    }
    for (; i < count; i++, bin += 2, weight++) {
      sum += bin[0] * weight[0];
    }
    const float energy = sum * f->band_scale;
    f->log_mel[m] = edge_log(energy > f->energy_floor ? energy : f->energy_floor);
  }
}

/* Positions before the first and after the last sample mirror the utterance. */
static void mirror_edges(edge_features_t *f) {
  const int32_t first = (int32_t)f->lead;
  const int32_t end = (int32_t)f->filled;
  for (int32_t i = 0; i < (int32_t)f->frame_length; i++) {
    int32_t from = i;
    while (from < first || from >= end) {
      from = from < first ? 2 * first - 1 - from : 2 * end - 1 - from;
    }
    f->samples[i] = f->samples[from];
  }
}

static void drop_shift(edge_features_t *f) {
  if (f->frame_shift < f->filled) {
    f->filled -= f->frame_shift;
    memmove(f->samples, f->samples + f->frame_shift, 2 * f->filled);
  } else {
    f->skip = f->frame_shift - f->filled;
    f->filled = 0;
  }
  f->lead = f->lead > f->frame_shift ? f->lead - f->frame_shift : 0;
}

bool edge_features_push(edge_features_t *f, const int16_t *samples, uint32_t count,
                        uint32_t *taken) {
  const uint32_t skipped = f->skip < count ? f->skip : count;
  f->skip -= skipped;
  const uint32_t room = f->frame_length - f->filled;
  const uint32_t rest = count - skipped;
  const uint32_t copied = rest < room ? rest : room;
  memcpy(f->samples + f->filled, samples + skipped, 2 * copied);
  f->filled += copied;
  *taken = skipped + copied;
  if (f->filled < f->frame_length) {
    return false;
  }
  if (f->lead > 0) {
    mirror_edges(f);
  }
  compute_frame(f);
  drop_shift(f);
  return true;
}

bool edge_features_flush(edge_features_t *f) {
  /* A frame belongs to the utterance when its centre lies before the end; it then holds at least
   * one sample. */
  const uint32_t needed = f->frame_length / 2 + f->frame_shift % 2;
  if ((f->flags & EDGE_FEATURES_SNIP_EDGES) != 0 || f->filled < needed) {
    return false;
  }
  mirror_edges(f);
  compute_frame(f);
  drop_shift(f);
  return true;
}

void edge_features_quantise(const edge_features_t *f, int8_t *out) {
  const float low = (float)(-128 - f->input_zero_point);
  const float high = (float)(127 - f->input_zero_point);
  for (uint32_t m = 0; m < f->mel_bins; m++) {
    const float v = (f->log_mel[m] - f->mean[m]) * f->inv_std[m] * f->input_inv_scale;
    int32_t q;
    if (!(v > low)) {
      q = -128;
    } else if (v >= high) {
      q = 127;
    } else {
      const int32_t whole = (int32_t)v;
      const float rest = v - (float)whole;
      q = whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0) + f->input_zero_point;
    }
    out[m] = (int8_t)q;
  }
}
