/* SiFive's PLIC and CLINT (FE310-G002 manual, chapters 9 and 10), which became everybody's. */
#include "core.h"
#include "csr.h"
#include "edge_board.h"
#include "interrupts.h"
#include "uart.h"

#define PLIC_PRIORITY(number) EDGE_REG(EDGE_PLIC_BASE + 4u * (number))
#define PLIC_ENABLE(word)                                                                          \
  EDGE_REG(EDGE_PLIC_BASE + 0x2000u + 0x80u * EDGE_PLIC_CONTEXT + 4u * (word))
#define ENABLE_WORDS 32u /* 1024 sources at most; those that a chip lacks ignore it */
#define PLIC_THRESHOLD EDGE_REG(EDGE_PLIC_BASE + 0x200000u + 0x1000u * EDGE_PLIC_CONTEXT)
#define PLIC_CLAIM EDGE_REG(EDGE_PLIC_BASE + 0x200004u + 0x1000u * EDGE_PLIC_CONTEXT)
#define CLINT_MTIMECMP_LOW EDGE_REG(EDGE_CLINT_BASE + 0x4000u)
#define CLINT_MTIMECMP_HIGH EDGE_REG(EDGE_CLINT_BASE + 0x4004u)
#define CLINT_MTIME_LOW EDGE_REG(EDGE_CLINT_BASE + 0xBFF8u)
#define CLINT_MTIME_HIGH EDGE_REG(EDGE_CLINT_BASE + 0xBFFCu)

#define CAUSE_TIMER 7u
#define CAUSE_EXTERNAL 11u
#define MILLISECOND (EDGE_TIMER_HZ / 1000u)

static uint32_t began;

static uint32_t bit(uint32_t cause) { return 1u << cause; }

static uint64_t now(void) {
  for (;;) {
    const uint32_t high = CLINT_MTIME_HIGH;
    const uint32_t low = CLINT_MTIME_LOW;
    if (high == CLINT_MTIME_HIGH) {
      return (uint64_t)high << 32 | low;
    }
  }
}

/* Never a moment that has passed on the way, as the manual's order of writes sees to. */
static void next_tick(void) {
  const uint64_t then = now() + MILLISECOND;
  CLINT_MTIMECMP_HIGH = UINT32_MAX;
  CLINT_MTIMECMP_LOW = (uint32_t)then;
  CLINT_MTIMECMP_HIGH = (uint32_t)(then >> 32);
}

void edge_interrupts_init(void) {
  EDGE_CSR_WRITE("mie", 0);
  for (uint32_t word = 0; word < ENABLE_WORDS; word++) {
    PLIC_ENABLE(word) = 0;
  }
  PLIC_THRESHOLD = 0;
}

void edge_interrupts_enable(uint32_t number) {
  PLIC_PRIORITY(number) = 1;
  PLIC_ENABLE(number / 32u) = 1u << (number % 32u);
  PLIC_CLAIM = number; /* a handler that a restart cut off has not: it would never come again */
  EDGE_CSR_SET("mie", bit(CAUSE_EXTERNAL));
}

void edge_interrupts_taken(uint32_t cause) {
  if (cause == CAUSE_TIMER) {
    next_tick();
    return;
  }
  for (uint32_t number = PLIC_CLAIM; number != 0; number = PLIC_CLAIM) {
    edge_port_uart_interrupt();
    PLIC_CLAIM = number;
  }
}

void edge_interrupts_begin_ticks(void) {
  began = (uint32_t)now();
  next_tick();
  EDGE_CSR_SET("mie", bit(CAUSE_TIMER));
}

uint32_t edge_interrupts_end_ticks(void) {
  EDGE_CSR_CLEAR("mie", bit(CAUSE_TIMER));
  return (uint32_t)now() - began;
}
