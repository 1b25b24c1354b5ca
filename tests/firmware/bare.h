/* A test's start and its output: as a process, or on a bare Cortex-M through semihosting. Included
 * by one file, which defines run(). features_on_port.ld links it. */
#ifndef BARE_H
#define BARE_H

#include <stdint.h>

void run(void);

#if defined(__arm__)

static void semihost(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char *text) { semihost(0x04, text); /* SYS_WRITE0 */ }

_Noreturn void reset_handler(void);

_Noreturn void reset_handler(void) {
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the FPU, where there is one */
  __asm__ volatile("dsb\nisb");
  run();
  semihost(0x18, (const void *)0x20026); /* SYS_EXIT, ADP_Stopped_ApplicationExit */
  for (;;) {
  }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    (void *)0x20010000, (void *)reset_handler};

#else

#include <stdio.h>

static void print(const char *text) { fputs(text, stdout); }

int main(void) {
  run();
  return 0;
}

#endif

#endif
