/* The fast forms of requantisation. */
#ifndef EDGE_KERNELS_REQUANTISE_ROW_H
#define EDGE_KERNELS_REQUANTISE_ROW_H

#include "../check.h"

#if defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)
/* Computes all of a record; false: not one of those that this form covers, and nothing was written.
 * int32 stays in plain C. */
bool edge_requantise_row(const edge_op_requantise_t *op, const void *in, void *out);
#define EDGE_REQUANTISE_ROW edge_requantise_row
#else
#define EDGE_REQUANTISE_ROW(op, in, out) false
#endif

#endif
