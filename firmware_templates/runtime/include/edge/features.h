/* Streaming log-mel features: PCM in any pieces -> one frame at a time, as Kaldi computes them.
 *
 * Every table comes from the image's FEAT section; the arithmetic is float32 without libm, one
 * rounding per operation in a fixed order, so all ports (compiled with -ffp-contract=off) give the
 * same bits. */
#ifndef EDGE_FEATURES_H
#define EDGE_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/status.h"

#define EDGE_FEATURES_REMOVE_DC 1u
#define EDGE_FEATURES_USE_POWER 2u
#define EDGE_FEATURES_SNIP_EDGES 4u

typedef struct edge_features {
  uint32_t sample_rate;  /* Hz */
  uint32_t frame_length; /* samples */
  uint32_t frame_shift;  /* samples */
  uint32_t fft_size;     /* power of two */
  uint32_t mel_bins;
  uint32_t window_frames; /* feature frames per encoder call */
  uint32_t window_shift;  /* feature frames from one call to the next */
  uint32_t tail_padding;  /* samples of silence at the end of an utterance */
  uint32_t flags;         /* EDGE_FEATURES_* */
  float preemph;
  float band_scale; /* of a band's sum: sample_scale (squared for power) and the FFT's factor */
  float energy_floor;
  float input_inv_scale;
  int32_t input_zero_point;
  int32_t padding_q; /* quantised value of every feature of a padded frame */
  const float *window;
  const float *twiddles; /* cos, -sin pairs */
  const uint8_t *bands;
  const float *weights;
  const float *mean;
  const float *inv_std;
  int16_t *samples; /* the frame that is being collected */
  float *spectrum;  /* scratch, fft_size */
  float *log_mel;   /* the last frame, mel_bins */
  uint32_t filled;  /* positions of `samples` in use */
  uint32_t lead;    /* of these, positions before the utterance's first sample */
  uint32_t skip;    /* samples to drop before the next frame */
} edge_features_t;

/* Validate a FEAT section, which is 4-byte aligned and stays valid. */
edge_status_t edge_features_open(edge_features_t *f, const uint8_t *section, uint32_t size);

/* Bytes of memory that edge_features_bind takes, a multiple of 16. */
uint32_t edge_features_memory(const edge_features_t *f);

/* Give memory, 16-byte aligned, edge_features_memory bytes, and reset. */
void edge_features_bind(edge_features_t *f, void *memory);

/* Start a new utterance. */
void edge_features_reset(edge_features_t *f);

/* Take samples until they run out or complete a frame; `*taken` is how many. True: `log_mel` holds
 * the next frame; call again with the rest. */
bool edge_features_push(edge_features_t *f, const int16_t *samples, uint32_t count,
                        uint32_t *taken);

/* After the last sample: true while frames remain that reach beyond the end (mirrored there, as
 * Kaldi does without snip_edges; with snip_edges there is none). */
bool edge_features_flush(edge_features_t *f);

/* Normalise and quantise `log_mel` to the encoder's input, mel_bins values. */
void edge_features_quantise(const edge_features_t *f, int8_t *out);

/* Natural logarithm of a positive, normal number, within 2 units in the last place of ln(x). */
float edge_log(float x);

#endif
