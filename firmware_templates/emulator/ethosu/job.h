/* What the parts of the emulator share: memory, feature maps, the way to the output. */
#ifndef EDGE_EMULATOR_ETHOSU_JOB_H
#define EDGE_EMULATOR_ETHOSU_JOB_H

#include "ethosu/ethosu.h"

#define EDGE_EMU_CHANNELS 128u /* that are worked on at once; a multiple of 16 */
#define EDGE_EMU_LARGEST INT32_MAX
#define EDGE_EMU_SMALLEST INT32_MIN

/* Rounding of OFM_PRECISION and IFM_PRECISION. */
enum { EDGE_EMU_DOUBLE, EDGE_EMU_TRUNCATE, EDGE_EMU_NATURAL };

/* Note why the job fails; always false. */
bool edge_emu_fail(edge_ethosu_t *npu, edge_ethosu_fault_kind_t kind, uint32_t region,
                   uint64_t address);

/* Memory of a region, NULL (a fault) where not all of it lies in one window. */
const uint8_t *edge_emu_source(edge_ethosu_t *npu, uint32_t region, uint64_t offset,
                               uint64_t bytes);
uint8_t *edge_emu_target(edge_ethosu_t *npu, uint32_t region, uint64_t offset, uint64_t bytes);

/* Count bytes that an operation moves over the AXI port of a region. */
void edge_emu_count(edge_ethosu_t *npu, uint32_t region, uint64_t bytes, bool write);

/* ---- feature maps ---- */
typedef struct edge_emu_fm {
  edge_ethosu_t *npu;
  const edge_ethosu_fm_t *fm;
  uint32_t bytes; /* of an element */
  bool bricks;
  bool is_signed;
  int32_t zero;
} edge_emu_fm_t;

/* False (a fault) for elements that the NPU does not have. */
bool edge_emu_open_ifm(edge_ethosu_t *npu, const edge_ethosu_fm_t *fm, edge_emu_fm_t *out);
bool edge_emu_open_ofm(edge_ethosu_t *npu, edge_emu_fm_t *out);

/* Channels c to c + count - 1 of an element, less the zero point. load16 is for those that fit. */
bool edge_emu_load(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t c, uint32_t count,
                   int64_t *out);
bool edge_emu_load16(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t count, int16_t *out);

/* Every step-th channel from c on. */
bool edge_emu_store(const edge_emu_fm_t *fm, uint32_t y, uint32_t x, uint32_t c, uint32_t step,
                    uint32_t count, const int64_t *values);

/* ---- windows of the input that a kernel reads ---- */
typedef struct edge_emu_window {
  uint32_t stride_x;
  uint32_t stride_y;
  uint32_t step_x; /* dilation */
  uint32_t step_y;
  uint32_t taps_x;
  uint32_t taps_y;
  uint32_t pad_top;
  uint32_t pad_left;
  int64_t height; /* of the input, upscaled */
  int64_t width;
  uint32_t upscale;
} edge_emu_window_t;

/* A tap of a window: where it lies in memory, what it reads. */
typedef enum edge_emu_tap { EDGE_EMU_OUTSIDE, EDGE_EMU_ZERO, EDGE_EMU_INSIDE } edge_emu_tap_t;

void edge_emu_open_window(const edge_ethosu_state_t *state, edge_emu_window_t *window);
edge_emu_tap_t edge_emu_find_tap(const edge_emu_window_t *window, uint32_t out_y, uint32_t out_x,
                                 uint32_t tap_y, uint32_t tap_x, uint32_t *y, uint32_t *x);
uint64_t edge_emu_input_bytes(const edge_emu_window_t *window, uint32_t depth, uint32_t bytes);

/* Take `count` times `each` from what the job may still work, before that is done: so every job
 * ends. False (a fault) where less is left. */
bool edge_emu_spend(edge_ethosu_t *npu, uint64_t count, uint64_t each);

/* The same for `taps` per element of the output. */
bool edge_emu_spend_taps(edge_ethosu_t *npu, uint64_t taps);

/* ---- from accumulators to the output ---- */
typedef struct edge_emu_channel {
  int64_t bias;
  uint32_t multiplier;
  uint32_t shift;
} edge_emu_channel_t;

typedef struct edge_emu_output {
  edge_emu_fm_t fm;
  uint32_t rounding;
  bool scaled; /* by OFM_SCALE, for all channels */
  edge_ethosu_scale_t scale;
  uint32_t function; /* 0, 3 tanh, 4 sigmoid, from 16 on a lookup table */
  int32_t zero;
  int64_t low;
  int64_t high;
  const uint8_t *table;
} edge_emu_output_t;

/* v * multiplier / 2^shift, rounded. DOUBLE is TFLite's: halves away from zero after a first
 * rounding to 31 bits, which shifts above 31 - lift have. */
int64_t edge_emu_rescale(int64_t v, uint32_t multiplier, uint32_t shift, uint32_t rounding,
                         uint32_t lift);

/* What OFM registers say; `scaled` false: OFM_SCALE is not for this. */
bool edge_emu_open_output(edge_ethosu_t *npu, bool scaled, edge_emu_output_t *out);

/* Scale, activation, zero point, range and lookup, in place. `channels` NULL: no scale but
 * OFM_SCALE. */
void edge_emu_finish(const edge_emu_output_t *out, const edge_emu_channel_t *channels,
                     uint32_t count, int64_t *values);

/* Native curves of the NPU: argument in 1 / (3 * 4096), result as Q0.15. */
void edge_emu_make_curve(uint16_t curve[EDGE_ETHOSU_CURVE]);
int64_t edge_emu_sigmoid(const uint16_t *curve, int64_t x);
int64_t edge_emu_tanh(const uint16_t *curve, int64_t x);

/* ---- operations ---- */
bool edge_emu_convolve(edge_ethosu_t *npu, bool depthwise);
bool edge_emu_pool(edge_ethosu_t *npu, uint32_t mode);
bool edge_emu_elementwise(edge_ethosu_t *npu, uint32_t mode);
bool edge_emu_transfer(edge_ethosu_t *npu);
void edge_emu_run(edge_ethosu_t *npu);

#endif
