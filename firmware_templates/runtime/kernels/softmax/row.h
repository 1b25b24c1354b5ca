/* What the forms of the int8 softmax share. */
#ifndef EDGE_KERNELS_SOFTMAX_ROW_H
#define EDGE_KERNELS_SOFTMAX_ROW_H

#include "../reciprocal.h"

/* A row's terms by this, / 2^31 and / 2^right, are probabilities in units of 1/256. */
typedef struct edge_softmax_scale {
  int32_t multiplier; /* positive */
  uint32_t right;     /* 23 to 31 */
} edge_softmax_scale_t;

/* Of the sum of a row's terms as Q12.19. */
static inline edge_softmax_scale_t edge_softmax_scale_of(uint32_t sum) {
  uint32_t zeros = edge_leading_zeros(sum);
  return (edge_softmax_scale_t){
      .multiplier = edge_reciprocal_of_one_plus((int32_t)((sum << zeros) - (1u << 31))),
      .right = 12 - zeros + 31 - 8};
}

/* out[i] = softmax of in[0 .. depth - 1], which may be the same; exps as in the record. */
void edge_softmax_s8_row(const int8_t *in, int8_t *out, uint32_t depth, const int32_t *exps);

#endif
