/* Table look-up by Helium: 16 elements in one gathering load. */
#include "../check.h"
#include "kernel.h"

#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>

edge_status_t edge_lut_8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_lut_t *op = (const edge_op_lut_t *)record;
  const uint8_t *input = (const uint8_t *)edge_at(memory, op->input);
  const uint8_t *table = (const uint8_t *)edge_at(memory, op->table);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  const uint8x16_t flip = vdupq_n_u8((uint8_t)op->flip);
  uint32_t left = op->count;
  for (; left >= 16; left -= 16, input += 16, out += 16)
    vstrbq_u8(out, vldrbq_gather_offset_u8(table, veorq_u8(vldrbq_u8(input), flip)));
  if (left > 0) {
    mve_pred16_t active = vctp8q(left);
    uint8x16_t at = veorq_u8(vldrbq_z_u8(input, active), flip);
    vstrbq_p_u8(out, vldrbq_gather_offset_z_u8(table, at, active), active);
  }
  return EDGE_OK;
}

#endif
