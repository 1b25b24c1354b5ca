/* Bounds checks that kernels share: buffers inside their space, parameters inside their range. */
#ifndef EDGE_KERNELS_CHECK_H
#define EDGE_KERNELS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge/graph.h"
#include "edge/kernels.h"

#define EDGE_MAX_DIM 16384u      /* of an image, a kernel or a stride */
#define EDGE_MAX_DEPTH 65536u    /* of a dot product: 2^16 * 128 * 128 < 2^31 */
#define EDGE_TOO_MANY UINT32_MAX /* what edge_product gives above 2^30 */

/* Product of `count` sizes; EDGE_TOO_MANY where one is 0 or the product exceeds 2^30. */
static inline uint32_t edge_product(const uint32_t *sizes, uint32_t count) {
  uint64_t product = 1;
  for (uint32_t i = 0; i < count; i++) {
    product *= sizes[i];
    if (product == 0 || product > 1u << 30)
      return EDGE_TOO_MANY;
  }
  return (uint32_t)product;
}

static inline uint32_t edge_product2(uint32_t a, uint32_t b) {
  const uint32_t sizes[2] = {a, b};
  return edge_product(sizes, 2);
}

static inline uint32_t edge_product3(uint32_t a, uint32_t b, uint32_t c) {
  const uint32_t sizes[3] = {a, b, c};
  return edge_product(sizes, 3);
}

static inline uint32_t edge_space_bytes(const edge_plan_t *plan, edge_ref_t ref) {
  switch (EDGE_REF_SPACE(ref)) {
  case EDGE_SPACE_CONST:
    return plan->const_bytes;
  case EDGE_SPACE_ARENA:
    return plan->arena_bytes;
  case EDGE_SPACE_STATE:
    return plan->state_bytes;
  default:
    return 0;
  }
}

/* `count` elements of `width` bytes may be read at `ref`. */
static inline bool edge_may_read(const edge_plan_t *plan, edge_ref_t ref, uint32_t count,
                                 uint32_t width) {
  uint32_t bytes = edge_product2(count, width);
  uint32_t size = edge_space_bytes(plan, ref);
  return bytes <= size && EDGE_REF_OFFSET(ref) <= size - bytes && EDGE_REF_OFFSET(ref) % width == 0;
}

static inline bool edge_may_write(const edge_plan_t *plan, edge_ref_t ref, uint32_t count,
                                  uint32_t width) {
  return EDGE_REF_SPACE(ref) != EDGE_SPACE_CONST && edge_may_read(plan, ref, count, width);
}

static inline bool edge_is_const(const edge_plan_t *plan, edge_ref_t ref, uint32_t count,
                                 uint32_t width) {
  return EDGE_REF_SPACE(ref) == EDGE_SPACE_CONST && edge_may_read(plan, ref, count, width);
}

/* Two buffers that edge_may_read accepted share no byte. */
static inline bool edge_apart(edge_ref_t a, uint32_t a_bytes, edge_ref_t b, uint32_t b_bytes) {
  return EDGE_REF_SPACE(a) != EDGE_REF_SPACE(b) || a + a_bytes <= b || b + b_bytes <= a;
}

/* The record's output is `count` elements of dtype, in writable memory. */
static inline bool edge_out_is(const edge_plan_t *plan, const edge_op_head_t *head, uint32_t dtype,
                               uint32_t count) {
  uint32_t width = dtype == EDGE_S16 ? 2u : dtype == EDGE_S32 ? 4u : 1u;
  return head->out_dtype == dtype && head->out_bytes == edge_product2(count, width) &&
         edge_may_write(plan, head->out, count, width);
}

/* Elementwise operators may work in place: same start, or no shared byte. */
static inline bool edge_in_place_or_apart(const edge_op_head_t *head, edge_ref_t input,
                                          uint32_t input_bytes) {
  return (input == head->out && input_bytes == head->out_bytes) ||
         edge_apart(head->out, head->out_bytes, input, input_bytes);
}

static inline bool edge_within(int32_t value, int32_t low, int32_t high) {
  return value >= low && value <= high;
}

static inline bool edge_scale_ok(int32_t multiplier, int32_t shift) {
  return multiplier >= 0 && edge_within(shift, -31, 30);
}

static inline bool edge_scale64_ok(int32_t multiplier, int32_t shift) {
  return multiplier >= 0 && edge_within(shift, -31, 7);
}

/* `count` pairs of {multiplier, shift} in the constants. */
static inline bool edge_scales_ok(const edge_plan_t *plan, edge_ref_t ref, uint32_t count,
                                  bool wide) {
  if (count > EDGE_TOO_MANY / 2 || !edge_is_const(plan, ref, 2 * count, 4))
    return false;
  const int32_t *pairs = (const int32_t *)(const void *)(plan->consts + EDGE_REF_OFFSET(ref));
  for (uint32_t i = 0; i < count; i++) {
    bool ok = wide ? edge_scale64_ok(pairs[2 * i], pairs[2 * i + 1])
                   : edge_scale_ok(pairs[2 * i], pairs[2 * i + 1]);
    if (!ok)
      return false;
  }
  return true;
}

/* Output quantisation of 8 or 16 bits: zero point and activation range inside the type. */
static inline bool edge_range_ok(uint32_t dtype, int32_t zero_point, int32_t low, int32_t high) {
  int32_t limit = dtype == EDGE_S16 ? 32767 : 127;
  return edge_within(zero_point, -limit - 1, limit) && low <= high && low >= -limit - 1 &&
         high <= limit;
}

/* Where a reference lies at run time; NULL for none. */
static inline void *edge_at(const edge_memory_t *memory, edge_ref_t ref) {
  uint32_t space = EDGE_REF_SPACE(ref);
  return space == EDGE_SPACE_NONE ? NULL : memory->base[space] + EDGE_REF_OFFSET(ref);
}

#endif
