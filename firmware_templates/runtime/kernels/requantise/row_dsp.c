/* Requantisation by the DSP extension: one SMMLAR for both roundings (rescale_dsp.h). */
#include "row.h"

#include "../rescale_dsp.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

typedef struct how {
  int32_t unit;   /* of twice an input, to the left as far as its scale says */
  int32_t offset; /* its zero point in that unit, taken away */
  edge_down_t down;
} how_t;

static inline int32_t saturated_u8(int32_t x) {
  __asm__("usat %0, #8, %1" : "=r"(x) : "r"(x));
  return x;
}

#define ROW(name, from, to, saturated)                                                             \
  static void name(const how_t *given, uint32_t count, const void *input, void *output) {          \
    const how_t how = *given;                                                                      \
    const from *in = (const from *)input;                                                          \
    to *out = (to *)output;                                                                        \
    for (const from *end = in + count; in != end; in++, out++) {                                   \
      int32_t x = edge_scale_any(&how.down, *in * how.unit + how.offset);                          \
      *out = (to)(saturated);                                                                      \
    }                                                                                              \
  }

ROW(s8_to_s8, int8_t, int8_t, edge_ssat(x, false))
ROW(s8_to_u8, int8_t, uint8_t, saturated_u8(x))
ROW(s8_to_s16, int8_t, int16_t, edge_ssat(x, true))
ROW(u8_to_s8, uint8_t, int8_t, edge_ssat(x, false))
ROW(u8_to_u8, uint8_t, uint8_t, saturated_u8(x))
ROW(u8_to_s16, uint8_t, int16_t, edge_ssat(x, true))
ROW(s16_to_s8, int16_t, int8_t, edge_ssat(x, false))
ROW(s16_to_u8, int16_t, uint8_t, saturated_u8(x))
ROW(s16_to_s16, int16_t, int16_t, edge_ssat(x, true))

/* Where a type stands below; 3: nowhere. */
static uint32_t place(uint32_t dtype) {
  return dtype == EDGE_S8 ? 0 : dtype == EDGE_U8 ? 1 : dtype == EDGE_S16 ? 2 : 3;
}

bool edge_requantise_row(const edge_op_requantise_t *op, const void *in, void *out) {
  static void (*const rows[3][3])(const how_t *, uint32_t, const void *,
                                  void *) = {{s8_to_s8, s8_to_u8, s8_to_s16},
                                             {u8_to_s8, u8_to_u8, u8_to_s16},
                                             {s16_to_s8, s16_to_u8, s16_to_s16}};
  const uint32_t from = place(op->input_dtype), to = place(op->head.out_dtype);
  how_t how;
  if (from == 3 || to == 3 ||
      !edge_any_of(op->multiplier, op->shift, op->zero_point, 17, &how.unit, &how.down))
    return false;
  how.offset = -op->input_zero_point * how.unit;
  rows[from][to](&how, op->count, in, out);
  return true;
}

#endif
