/* Operator records of a lowered graph, as they lie in an image (docs/image.md).
 *
 * Every field behind the 16-byte head is a 32-bit word, so a record is copied into its struct as it
 * is; the converter's Python table (sdk/edgesdk/bundle/plan.py) lists the same fields and a test
 * compares both. Little-endian targets only. */
#ifndef EDGE_PLAN_H
#define EDGE_PLAN_H

#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "images are little-endian and read in place"
#endif

#define EDGE_PLAN_HEADER_BYTES 64u
#define EDGE_PLAN_IO_BYTES 40u
#define EDGE_PLAN_FILL_BYTES 16u
#define EDGE_PLAN_MAX_OPS 4096u
#define EDGE_PLAN_MAX_IO 16u
#define EDGE_PLAN_MAX_BYTES (1u << 28) /* of the arena and of the state block */

/* A buffer: its space in the two highest bits, its byte offset in the others. */
typedef uint32_t edge_ref_t;
#define EDGE_REF_SPACE(ref) ((ref) >> 30)
#define EDGE_REF_OFFSET(ref) ((ref) & 0x3fffffffu)
#define EDGE_SPACE_NONE 0u
#define EDGE_SPACE_CONST 1u
#define EDGE_SPACE_ARENA 2u
#define EDGE_SPACE_STATE 3u

typedef struct edge_plan_header {
  uint32_t op_count;
  uint32_t ops_offset;
  uint32_t ops_bytes;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t io_offset;
  uint32_t const_offset;
  uint32_t const_bytes;
  uint32_t arena_bytes;
  uint32_t state_bytes;
  uint32_t fill_offset;
  uint32_t fill_count;
  uint32_t reserved[4];
} edge_plan_header_t;

typedef struct edge_plan_io {
  edge_ref_t ref;
  uint32_t bytes;
  uint8_t dtype;
  uint8_t rank;
  uint16_t zero;
  uint32_t dims[4];
  float scale;
  int32_t zero_point;
  uint32_t reserved;
} edge_plan_io_t;

typedef struct edge_plan_fill {
  uint32_t offset; /* in the state block */
  uint32_t count;
  uint32_t width; /* bytes per element: 1, 2 or 4 */
  int32_t value;
} edge_plan_fill_t;

typedef struct edge_op_head {
  uint8_t code;
  uint8_t variant; /* weight layout; 0 is plain */
  uint16_t words;  /* length of the record in 4-byte words */
  edge_ref_t out;
  uint32_t out_bytes;
  uint32_t out_dtype;
} edge_op_head_t;

/* out[b][r] = clamp(requantise(bias[r] + sum_d input[b][d] * weights[r][d])). The input's zero
 * point is folded into the bias: i32[rows] for s8, i64[rows] for s16. `scales` holds {multiplier,
 * shift} per row; where it is none, the record's own pair serves all rows. A variant other than 0
 * is the tile shape of packed weights (kernels/matrix/matrix.h): the bias is then padded to whole
 * panels, and scratch may hold a copy of the input. */
typedef struct edge_op_fully_connected {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t weights;
  edge_ref_t bias;
  edge_ref_t scales;
  edge_ref_t scratch;
  uint32_t batches;
  uint32_t depth;
  uint32_t rows;
  uint32_t sum_bits; /* 32 or 64 */
  int32_t multiplier;
  int32_t shift;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} edge_op_fully_connected_t;

/* TFLite's 8x8_16 LSTM over `steps` time steps; gates in the order input, forget, cell, output.
 * hidden (s8) and cell (s16) live in the state block; scratch is s16[4 * cells]. Zero points are
 * folded into the biases. The cell's scale is 2^-cell_fraction. A variant other than 0 is the tile
 * shape of all eight packed matrices: biases are then padded to whole panels, and scratch holds the
 * gates of 128 cells and, where cores of that shape need them, copies of input and hidden. */
typedef struct edge_op_lstm {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t hidden;
  edge_ref_t cell;
  edge_ref_t scratch;
  edge_ref_t input_weights[4];
  edge_ref_t recurrent_weights[4];
  edge_ref_t input_bias[4];
  edge_ref_t recurrent_bias[4];
  int32_t input_multiplier[4];
  int32_t input_shift[4];
  int32_t recurrent_multiplier[4];
  int32_t recurrent_shift[4];
  uint32_t steps;
  uint32_t inputs;
  uint32_t cells;
  uint32_t cell_fraction;
  int32_t cell_clip; /* 0: none */
  int32_t hidden_multiplier;
  int32_t hidden_shift;
  int32_t hidden_zero_point;
} edge_op_lstm_t;

/* NHWC, batch 1; weights OHWI (1HWO for depthwise); scales {multiplier, shift} per output channel.
 * Convolution folds the input's zero point into the bias; taps outside the image read pad_row,
 * s8[in_c] of that zero point, so that the bias holds at the borders too. Depthwise convolution
 * subtracts it tap by tap and has no pad_row.
 *
 * A variant of convolution other than 0 is the tile shape of packed weights, a matrix of out_c rows
 * (kernels/matrix/matrix.h): the bias is then padded to whole panels, scratch holds windows, and
 * pad_row is none, as taps outside the image are input_zero_point.
 *
 * In variants 1 and 2 of depthwise convolution weights are blocks that hold the bias, the zero
 * point folded in, and the scales too (kernels/depthwise_conv/packed.h); scratch holds a strip of
 * the padded image, and bias, scales and pad_row are none. */
typedef struct edge_op_conv {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t weights;
  edge_ref_t bias;
  edge_ref_t scales;
  edge_ref_t pad_row;
  edge_ref_t scratch;
  uint32_t in_h;
  uint32_t in_w;
  uint32_t in_c;
  uint32_t out_h;
  uint32_t out_w;
  uint32_t out_c;
  uint32_t kernel_h;
  uint32_t kernel_w;
  uint32_t stride_h;
  uint32_t stride_w;
  uint32_t dilation_h;
  uint32_t dilation_w;
  uint32_t pad_top;
  uint32_t pad_left;
  int32_t input_zero_point;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} edge_op_conv_t;

typedef struct edge_op_pool {
  edge_op_head_t head;
  edge_ref_t input;
  uint32_t in_h;
  uint32_t in_w;
  uint32_t channels;
  uint32_t out_h;
  uint32_t out_w;
  uint32_t kernel_h;
  uint32_t kernel_w;
  uint32_t stride_h;
  uint32_t stride_w;
  uint32_t pad_top;
  uint32_t pad_left;
  int32_t low;
  int32_t high;
} edge_op_pool_t;

/* Addition, subtraction and multiplication with broadcasting: strides in elements, 0 repeats.
 * `sign2` is 1 for a sum, -1 for a difference; products use only the output's pair. PRELU rescales
 * what is not negative by the first pair and products with the second operand by the output's.
 * EXTREME takes the larger operand (sign2 1) or the smaller one (-1) and uses nothing else. */
typedef struct edge_op_arithmetic {
  edge_op_head_t head;
  edge_ref_t input1;
  edge_ref_t input2;
  uint32_t dims[4];
  uint32_t strides1[4];
  uint32_t strides2[4];
  int32_t offset1;
  int32_t offset2;
  int32_t left_shift;
  int32_t multiplier1;
  int32_t shift1;
  int32_t multiplier2;
  int32_t shift2;
  int32_t sign2;
  int32_t multiplier;
  int32_t shift;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} edge_op_arithmetic_t;

/* A batch of products: out[r][c] = sum_d left[r][d] * right[d][c], each side read by the strides of
 * its dimensions {batch, row, depth} and {batch, column, depth}; 0 repeats. */
typedef struct edge_op_matmul {
  edge_op_head_t head;
  edge_ref_t left;
  edge_ref_t right;
  uint32_t batches;
  uint32_t rows;
  uint32_t columns;
  uint32_t depth;
  uint32_t left_strides[3];
  uint32_t right_strides[3];
  int32_t left_zero_point;
  int32_t right_zero_point;
  int32_t multiplier;
  int32_t shift;
  int32_t zero_point;
} edge_op_matmul_t;

/* A memory of the last `steps` s16 products of each filter, s16[filters][steps] in the state block,
 * weighted over time; `rank` filters make one output. The input's zero point is folded into
 * feature_bias, i32[filters]; bias is i32[filters / rank]. */
typedef struct edge_op_svdf {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t memory;
  edge_ref_t feature_weights; /* s8[filters][inputs] */
  edge_ref_t feature_bias;
  edge_ref_t time_weights; /* s16[filters][steps] */
  edge_ref_t bias;
  uint32_t inputs;
  uint32_t filters;
  uint32_t rank;
  uint32_t steps;
  int32_t feature_multiplier;
  int32_t feature_shift;
  int32_t multiplier;
  int32_t shift;
  int32_t zero_point;
} edge_op_svdf_t;

/* out[i] = table[input[i] + 128] for 8-bit elements. */
typedef struct edge_op_lut {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t table;
  uint32_t count;
  uint32_t flip; /* XORed into the input: 0x80 for int8, 0 for uint8 */
} edge_op_lut_t;

/* int16 logistic or tanh by TFLite's table of 256 u16 and linear interpolation. */
typedef struct edge_op_curve {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t table;
  uint32_t count;
  int32_t multiplier;
  int32_t left_shift;
} edge_op_curve_t;

/* out[i] = table[indices[i]], rows of row_bytes; an index outside 0 .. rows - 1 fails at run time.
 */
typedef struct edge_op_gather {
  edge_op_head_t head;
  edge_ref_t table;
  edge_ref_t indices;
  uint32_t rows;
  uint32_t row_bytes;
  uint32_t count;
} edge_op_gather_t;

/* out[out_start + sum i_k * out_strides[k]] = input[sum i_k * in_strides[k]], in bytes, elements of
 * `width` bytes, dims[3] innermost. */
typedef struct edge_op_copy {
  edge_op_head_t head;
  edge_ref_t input;
  uint32_t input_bytes;
  uint32_t width;
  uint32_t dims[4];
  uint32_t in_strides[4];
  uint32_t out_strides[4];
  uint32_t out_start;
} edge_op_copy_t;

/* Every element of `width` bytes becomes value. */
typedef struct edge_op_fill {
  edge_op_head_t head;
  uint32_t count;
  uint32_t width;
  int32_t value;
} edge_op_fill_t;

typedef struct edge_op_requantise {
  edge_op_head_t head;
  edge_ref_t input;
  uint32_t input_dtype;
  uint32_t count;
  int32_t multiplier;
  int32_t shift;
  int32_t input_zero_point;
  int32_t zero_point;
} edge_op_requantise_t;

/* Mean over the middle of [outer][reduce][inner]. */
typedef struct edge_op_mean {
  edge_op_head_t head;
  edge_ref_t input;
  uint32_t outer;
  uint32_t reduce;
  uint32_t inner;
  int32_t multiplier;
  int32_t shift;
  int32_t input_zero_point;
  int32_t zero_point;
} edge_op_mean_t;

/* int16: exp and 1 / (1 + x) as 513 s16 each, interpolated; differences from the row's maximum are
 * rescaled to 1/6553.5 first. */
typedef struct edge_op_softmax16 {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t exp_table;
  edge_ref_t reciprocal_table;
  uint32_t rows;
  uint32_t depth;
  int32_t multiplier;
  int32_t shift;
} edge_op_softmax16_t;

/* exp_table is i32[256]: exp of (row maximum - value) as Q0.31, 0 where TFLite drops the term. */
typedef struct edge_op_softmax {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t exp_table;
  uint32_t rows;
  uint32_t depth;
} edge_op_softmax_t;

/* A command stream for an Arm Ethos-U, u32[stream_words] in the constants. Its regions: 0 weights,
 * 1 scratch, 2 fast scratch, which is the scratch where the memory mode has no fast one of its own;
 * all are multiples of 16. The output is the first of the stream's, inside scratch. */
typedef struct edge_op_npu {
  edge_op_head_t head;
  edge_ref_t stream;
  edge_ref_t weights; /* none where weights_bytes is 0 */
  edge_ref_t scratch;
  edge_ref_t fast;
  uint32_t stream_words;
  uint32_t weights_bytes;
  uint32_t scratch_bytes;
  uint32_t fast_bytes;
  uint32_t config; /* what the stream was compiled for: the NPU's CONFIG */
  uint32_t id;     /* and the architecture in its ID */
} edge_op_npu_t;

/* Over the middle of [outer][reduce][inner], the first index of the largest value (sign 1) or of
 * the smallest (-1), as s32 or s64. */
typedef struct edge_op_arg_extreme {
  edge_op_head_t head;
  edge_ref_t input;
  uint32_t input_dtype; /* s8, u8 or s16 */
  uint32_t outer;
  uint32_t reduce;
  uint32_t inner;
  int32_t sign;
} edge_op_arg_extreme_t;

/* exp_table is i32[256]: exp of (row maximum - value) as Q12.19, 0 where TFLite drops the term. The
 * scales take a difference from the row's maximum to Q5.26; from `reach` + 1 on, differences give
 * -128. */
typedef struct edge_op_log_softmax {
  edge_op_head_t head;
  edge_ref_t input;
  edge_ref_t exp_table;
  uint32_t rows;
  uint32_t depth;
  uint32_t reach;
  int32_t multiplier;
  int32_t shift;
} edge_op_log_softmax_t;

#endif
