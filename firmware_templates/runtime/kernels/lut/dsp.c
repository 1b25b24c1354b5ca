/* Table look-up, four elements at a time: a word of input, flipped as one, UXTB and LDRB for each
 * element. GCC merges the bytes of a word by itself no better than it stores them one by one. */
#include <string.h>

#include "../check.h"
#include "kernel.h"

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)

edge_status_t edge_lut_8_run(const edge_memory_t *memory, const void *record) {
  const edge_op_lut_t *op = (const edge_op_lut_t *)record;
  const uint8_t *input = (const uint8_t *)edge_at(memory, op->input);
  const uint8_t *table = (const uint8_t *)edge_at(memory, op->table);
  uint8_t *out = (uint8_t *)edge_at(memory, op->head.out);
  const uint32_t flip = op->flip * 0x1010101u;
  const uint8_t *end = input + op->count;
  for (const uint8_t *last = end - op->count % 4; input != last; input += 4, out += 4) {
    uint32_t word;
    memcpy(&word, input, 4);
    word ^= flip;
    out[0] = table[word & 255u];
    out[1] = table[word >> 8 & 255u];
    out[2] = table[word >> 16 & 255u];
    out[3] = table[word >> 24];
  }
  while (input != end)
    *out++ = table[*input++ ^ (flip & 255u)];
  return EDGE_OK;
}

#endif
