/* Element by element: one or two inputs, the second one repeated or a scalar. */
#include "ethosu/job.h"

#define MOST_SHIFT 63

typedef struct elementwise {
  edge_ethosu_t *npu;
  const edge_ethosu_state_t *state;
  edge_emu_fm_t ifm;
  edge_emu_fm_t ifm2;
  edge_emu_output_t output;
  uint32_t mode;
  bool has_scalar;
  int64_t scalar;
} elementwise_t;

static int64_t wrap_multiply(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

static int64_t saturate(int64_t v) {
  return v < EDGE_EMU_SMALLEST ? EDGE_EMU_SMALLEST : v > EDGE_EMU_LARGEST ? EDGE_EMU_LARGEST : v;
}

/* Sums and differences: both operands times 16 bits, or one operand rescaled and the other one
 * shifted to the same unit. Where operands are reversed, IFM2 is the first one. */
static int64_t add(const elementwise_t *e, int64_t a, int64_t b) {
  const edge_ethosu_state_t *s = e->state;
  uint32_t scaling = (uint32_t)s->ifm.precision >> 8 & 3u;
  uint32_t rounding = (uint32_t)s->ifm.precision >> 14;
  uint32_t left = e->ifm.bytes == 1u ? 19u : 14u;
  const edge_ethosu_scale_t *scale = &s->opa_scale;
  if (scaling == 0u) {
    a *= s->opa_scale.multiplier & 0xffffu;
    b *= s->opb_scale.multiplier & 0xffffu;
  } else if (scaling == 1u) {
    a = edge_emu_rescale(a, scale->multiplier, scale->shift, rounding, left + 1u);
    b *= (int64_t)1 << left;
  } else {
    a *= (int64_t)1 << left;
    b = edge_emu_rescale(b, scale->multiplier, scale->shift, rounding, left + 1u);
  }
  return e->mode == EDGE_ETHOSU_ADD ? a + b : a - b;
}

/* 32-bit products are shifted by OFM_SCALE's shift; its multiplier is not used. */
static int64_t multiply(const elementwise_t *e, int64_t a, int64_t b) {
  if (e->ifm.bytes < 4u) {
    return wrap_multiply(a, b);
  }
  uint32_t shift = e->output.scale.shift;
  int64_t product = wrap_multiply(a, b);
  if (e->output.rounding == EDGE_EMU_TRUNCATE) {
    return saturate(product / ((int64_t)1 << (shift < 62u ? shift : 62u)));
  }
  return saturate(edge_emu_rescale(product, 1, shift, e->output.rounding, 0));
}

static int64_t leading_zeros(int64_t a) {
  uint32_t word = (uint32_t)a;
  int64_t count = 32;
  for (; word != 0u; word >>= 1) {
    count--;
  }
  return count;
}

static uint32_t shift_of(int64_t b) {
  return (uint32_t)(b < 0 ? 0 : b > MOST_SHIFT ? MOST_SHIFT : b);
}

static int64_t shift_right(const elementwise_t *e, int64_t a, int64_t b) {
  uint32_t shift = shift_of(b);
  int64_t half = shift > 0u && shift < MOST_SHIFT ? (int64_t)1 << (shift - 1u) : 0;
  if (e->output.rounding == EDGE_EMU_NATURAL) {
    return (a + half) >> shift;
  }
  if (e->output.rounding == EDGE_EMU_TRUNCATE) {
    return a >= 0 ? a >> shift : -(-a >> shift);
  }
  return (a + half - (a < 0 && shift > 0u ? 1 : 0)) >> shift;
}

static bool is_unary(uint32_t mode) { return mode >= EDGE_ETHOSU_LRELU && mode <= EDGE_ETHOSU_CLZ; }

static int64_t combine(const elementwise_t *e, int64_t ifm, int64_t ifm2) {
  const edge_ethosu_state_t *s = e->state;
  bool reversed = (s->ifm2_broadcast & EDGE_ETHOSU_REVERSED) != 0 && !is_unary(e->mode);
  int64_t a = reversed ? ifm2 : ifm;
  int64_t b = reversed ? ifm : ifm2;
  switch (e->mode) {
  case EDGE_ETHOSU_MUL:
    return multiply(e, a, b);
  case EDGE_ETHOSU_ADD:
  case EDGE_ETHOSU_SUB:
    return add(e, a, b);
  case EDGE_ETHOSU_MIN:
    return a < b ? a : b;
  case EDGE_ETHOSU_MAX:
    return a > b ? a : b;
  case EDGE_ETHOSU_LRELU: /* only what is negative is scaled */
    return a >= 0 ? a
                  : edge_emu_rescale(a, s->ofm_scale.multiplier, s->ofm_scale.shift,
                                     e->output.rounding, 0);
  case EDGE_ETHOSU_ABS:
    return a < 0 ? -a : a;
  case EDGE_ETHOSU_CLZ:
    return leading_zeros(a);
  case EDGE_ETHOSU_SHR:
    return shift_right(e, a, b);
  default:
    return (int32_t)(uint32_t)((uint64_t)a << shift_of(b));
  }
}

static bool load_second(const elementwise_t *e, uint32_t y, uint32_t x, uint32_t c, uint32_t count,
                        int64_t *out) {
  uint32_t repeat = e->state->ifm2_broadcast;
  bool one = e->has_scalar || (repeat & EDGE_ETHOSU_BROADCAST_C) != 0u;
  out[0] = e->scalar;
  if (!e->has_scalar && !edge_emu_load(&e->ifm2, (repeat & EDGE_ETHOSU_BROADCAST_H) != 0u ? 0u : y,
                                       (repeat & EDGE_ETHOSU_BROADCAST_W) != 0u ? 0u : x,
                                       one ? 0u : c, one ? 1u : count, out)) {
    return false;
  }
  for (uint32_t i = 1; i < count && one; i++) {
    out[i] = out[0];
  }
  return true;
}

static bool run_element(const elementwise_t *e, uint32_t y, uint32_t x) {
  int64_t a[EDGE_EMU_CHANNELS];
  int64_t b[EDGE_EMU_CHANNELS] = {0};
  uint32_t depth = e->state->ofm.depth;
  for (uint32_t c = 0; c < depth; c += EDGE_EMU_CHANNELS) {
    uint32_t count = depth - c < EDGE_EMU_CHANNELS ? depth - c : EDGE_EMU_CHANNELS;
    if (!edge_emu_load(&e->ifm, y, x, c, count, a) ||
        (!is_unary(e->mode) && !load_second(e, y, x, c, count, b))) {
      return false;
    }
    for (uint32_t i = 0; i < count; i++) {
      a[i] = combine(e, a[i], b[i]);
    }
    edge_emu_finish(&e->output, 0, count, a);
    if (!edge_emu_store(&e->output.fm, y, x, c, 1, count, a)) {
      return false;
    }
  }
  return true;
}

static void open_scalar(elementwise_t *e) {
  const edge_ethosu_state_t *s = e->state;
  e->has_scalar = (s->ifm2_broadcast & EDGE_ETHOSU_SCALAR) != 0u;
  e->scalar = e->ifm2.is_signed ? (int16_t)s->ifm2_scalar : (int64_t)s->ifm2_scalar;
  e->scalar -= e->ifm2.zero;
}

static void count_inputs(const elementwise_t *e) {
  const edge_ethosu_fm_t *ofm = &e->state->ofm;
  uint32_t repeat = e->state->ifm2_broadcast;
  edge_emu_count(e->npu, e->ifm.fm->region,
                 (uint64_t)ofm->height * ofm->width * ofm->depth * e->ifm.bytes, false);
  if (!is_unary(e->mode) && !e->has_scalar) {
    uint64_t rows = (repeat & EDGE_ETHOSU_BROADCAST_H) != 0u ? 1u : ofm->height;
    uint64_t columns = (repeat & EDGE_ETHOSU_BROADCAST_W) != 0u ? 1u : ofm->width;
    uint64_t depth = (repeat & EDGE_ETHOSU_BROADCAST_C) != 0u ? 1u : ofm->depth;
    edge_emu_count(e->npu, e->ifm2.fm->region, rows * columns * depth * e->ifm2.bytes, false);
  }
}

bool edge_emu_elementwise(edge_ethosu_t *npu, uint32_t mode) {
  const edge_ethosu_state_t *s = &npu->state;
  elementwise_t e = {.npu = npu, .state = s, .mode = mode};
  uint32_t scaling = (uint32_t)s->ifm.precision >> 8 & 3u;
  if (mode > EDGE_ETHOSU_SHL || scaling > 2u || s->ifm.precision >> 14 > EDGE_EMU_NATURAL) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, s->ifm.region, s->ifm.base[0]);
  }
  bool scaled = mode != EDGE_ETHOSU_LRELU &&
                !(mode == EDGE_ETHOSU_MUL && edge_ethosu_ifm_bytes(&s->ifm) == 4u);
  if (!edge_emu_open_ifm(npu, &s->ifm, &e.ifm) ||
      (!is_unary(mode) && !edge_emu_open_ifm(npu, &s->ifm2, &e.ifm2)) ||
      !edge_emu_open_output(npu, scaled, &e.output) || !edge_emu_spend_taps(npu, 1)) {
    return false;
  }
  if (!is_unary(mode)) {
    open_scalar(&e);
  }
  for (uint32_t y = 0; y < s->ofm.height; y++) {
    for (uint32_t x = 0; x < s->ofm.width; x++) {
      if (!run_element(&e, y, x)) {
        return false;
      }
    }
  }
  count_inputs(&e);
  return true;
}
