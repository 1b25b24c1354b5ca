#include "setup.h"

#include <stdbool.h>
#include <stdint.h>

#include "edge_board.h"

#define POLLS 10000000u /* at least tenths of a second at any clock: crystals start faster */

typedef enum step_kind {
  STEP_WRITE,  /* register = value */
  STEP_CHANGE, /* its bits `mask` = value */
  STEP_WAIT,   /* until its bits `mask` are value */
  STEP_PAIRS,  /* of a table of `mask` addresses and values, all until an address of all ones */
} step_kind_t;

typedef struct step {
  uint8_t kind, width; /* step_kind_t; 8, 16 or 32 bits */
  uint32_t address, mask, value;
} step_t;

static uint32_t read_register(const step_t *step) {
  const uintptr_t at = (uintptr_t)step->address;
  return step->width == 8    ? *(volatile uint8_t *)at
         : step->width == 16 ? *(volatile uint16_t *)at
                             : *(volatile uint32_t *)at;
}

static void write_register(const step_t *step, uint32_t value) {
  const uintptr_t at = (uintptr_t)step->address;
  if (step->width == 8) {
    *(volatile uint8_t *)at = (uint8_t)value;
  } else if (step->width == 16) {
    *(volatile uint16_t *)at = (uint16_t)value;
  } else {
    *(volatile uint32_t *)at = value;
  }
}

static void wait_for(const step_t *step) {
  for (uint32_t left = POLLS; left > 0; left--) {
    if ((read_register(step) & step->mask) == step->value) {
      return;
    }
  }
  for (;;) {
  }
}

static void write_pairs(const step_t *step) {
  const volatile uint32_t *at = (const volatile uint32_t *)(uintptr_t)step->address;
  for (uint32_t left = step->mask; left > 0 && at[0] != UINT32_MAX; left--) {
    *(volatile uint32_t *)(uintptr_t)at[0] = at[1];
    at += 2;
  }
}

void edge_setup_run(void) {
  /* An access each of the board file, a last one that ends them. */
  static const step_t steps[] = {EDGE_SETUP_STEPS{.width = 0}};
  for (const step_t *step = steps; step->width != 0; step++) {
    if (step->kind == STEP_WRITE) {
      write_register(step, step->value);
    } else if (step->kind == STEP_CHANGE) {
      write_register(step, (read_register(step) & ~step->mask) | step->value);
    } else if (step->kind == STEP_WAIT) {
      wait_for(step);
    } else {
      write_pairs(step);
    }
  }
}
