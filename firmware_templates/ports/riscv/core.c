/* RV32 in machine mode (RISC-V privileged architecture 20211203): reset, traps, stack, rest. */
#include "core.h"

#include <stdbool.h>

#include "csr.h"
#include "edge_board.h"
#include "interrupts.h"
#include "setup.h"
#include "start.h"
#include "uart.h"

#define MSTATUS_MIE 8u
/* The guard below the stack: all accesses between two addresses are faults, until the next reset,
 * for machine mode too (3.7.1: L, A = TOR, neither X, W nor R). */
#define PMP_GUARD 0x8800u /* entry 1; entry 0 is off and only the lower end */
#define INTERRUPT (1u << 31)

extern uint32_t edge_stack_guard[], edge_stack_limit[];
static uint32_t fault_stack[64] __attribute__((aligned(16), used));

void edge_reset(void) __attribute__((noreturn));
void edge_start(void) __attribute__((noreturn, used));
void edge_fault(uint32_t sp, uint32_t ra) __attribute__((noreturn, used));
void edge_interrupt(void) __attribute__((used));
void edge_vectors(void);

#if defined(__riscv_flen)
#define FLOATS_ON "li t0, 0x2000\n csrs mstatus, t0\n fscsr zero\n" /* FS; to nearest */
#else
#define FLOATS_ON
#endif

/* First in the code's memory. A restart without a reset comes here too, from anywhere. */
__attribute__((naked, section(".start"), used)) void edge_reset(void) {
  __asm__ volatile(EDGE_CSR_BEGIN "csrci mstatus, 8\n" FLOATS_ON "la t0, edge_vectors\n"
                                  "ori t0, t0, 1\n" /* vectored: some processors know no other */
                                  "csrw mtvec, t0\n"
                                  ".option norelax\n"
                                  "la gp, __global_pointer$\n"
                                  "la sp, edge_stack_top\n"
                                  "j edge_start" EDGE_CSR_END);
}

/* What a call may change, of an interrupted computation. */
/* clang-format off */
#define REGISTERS(to)                                                                              \
  to " ra, 0(sp)\n" to " t0, 4(sp)\n" to " t1, 8(sp)\n" to " t2, 12(sp)\n"                         \
  to " a0, 16(sp)\n" to " a1, 20(sp)\n" to " a2, 24(sp)\n" to " a3, 28(sp)\n"                      \
  to " a4, 32(sp)\n" to " a5, 36(sp)\n" to " a6, 40(sp)\n" to " a7, 44(sp)\n"                      \
  to " t3, 48(sp)\n" to " t4, 52(sp)\n" to " t5, 56(sp)\n" to " t6, 60(sp)\n"
#if !defined(__riscv_flen)
#define FRAME "64"
#define FLOATS(to)
#elif __riscv_flen == 32
#define FRAME "144"
#define FLOATS(to)                                                                                 \
  to " ft0, 64(sp)\n" to " ft1, 68(sp)\n" to " ft2, 72(sp)\n" to " ft3, 76(sp)\n"                  \
  to " ft4, 80(sp)\n" to " ft5, 84(sp)\n" to " ft6, 88(sp)\n" to " ft7, 92(sp)\n"                  \
  to " ft8, 96(sp)\n" to " ft9, 100(sp)\n" to " ft10, 104(sp)\n" to " ft11, 108(sp)\n"             \
  to " fa0, 112(sp)\n" to " fa1, 116(sp)\n" to " fa2, 120(sp)\n" to " fa3, 124(sp)\n"              \
  to " fa4, 128(sp)\n" to " fa5, 132(sp)\n" to " fa6, 136(sp)\n" to " fa7, 140(sp)\n"
#else
#error "an interrupt keeps float registers of 32 bits, or none"
#endif

/* An entry each for exceptions, which all take the first, and for the causes of interrupts. An
 * exception may come because the stack has failed: it takes another one before any C code. */
__attribute__((naked, section(".vectors"), used)) void edge_vectors(void) {
  __asm__ volatile(".option push\n .option norvc\n"
                   "j 1f\n"
                   ".rept 31\n j 2f\n .endr\n"
                   ".option pop\n"
                   "1: mv a0, sp\n mv a1, ra\n"
                   "la sp, fault_stack + 256\n"
                   "j edge_fault\n"
                   "2: addi sp, sp, -" FRAME "\n"
                   REGISTERS("sw") FLOATS("fsw")
                   "call edge_interrupt\n"
                   FLOATS("flw") REGISTERS("lw")
                   "addi sp, sp, " FRAME "\n"
                   "mret\n");
}
/* clang-format on */

/* A link without a UART never enables its interrupt. */
__attribute__((weak)) void edge_port_uart_interrupt(void) {}

void edge_interrupt(void) {
  uint32_t mcause;
  EDGE_CSR_READ("mcause", mcause);
  edge_interrupts_taken(mcause & ~INTERRUPT);
}

/* By the board's reset, or by starting over: then devices stay as they are until they are set up
 * again, and the guard, which is where it was. */
_Noreturn void edge_core_restart(const void *kept, uint32_t bytes) {
  (void)kept;
  (void)bytes;
#ifdef EDGE_RESTART_ADDRESS
  __asm__ volatile("fence" ::: "memory");
  EDGE_REG(EDGE_RESTART_ADDRESS) |= EDGE_RESTART_BITS;
  for (;;) {
  }
#else
  edge_reset();
#endif
}

_Noreturn void edge_core_stop(const void *kept, uint32_t bytes) {
  (void)kept;
  (void)bytes;
  for (;;) {
    __asm__ volatile("wfi" ::: "memory");
  }
}

void edge_fault(uint32_t sp, uint32_t ra) {
  uint32_t mcause, mepc, mstatus, mtval;
  EDGE_CSR_READ("mcause", mcause);
  EDGE_CSR_READ("mepc", mepc);
  EDGE_CSR_READ("mstatus", mstatus);
  EDGE_CSR_READ("mtval", mtval);
  edge_bare_fault(&(edge_fault_t){.kind = EDGE_FAULT_RISCV + mcause,
                                  .pc = mepc,
                                  .lr = ra,
                                  .sp = sp,
                                  .xpsr = mstatus,
                                  .address = mtval});
}

static void guard_stack(void) {
  EDGE_CSR_WRITE("pmpaddr0", (uint32_t)(uintptr_t)edge_stack_guard >> 2);
  EDGE_CSR_WRITE("pmpaddr1", (uint32_t)(uintptr_t)edge_stack_limit >> 2);
  EDGE_CSR_WRITE("pmpcfg0", PMP_GUARD);
}

void edge_start(void) {
  edge_setup_run();
  edge_interrupts_init();
  edge_bare_start();
  guard_stack();
  EDGE_CSR_SET("mstatus", MSTATUS_MIE);
  edge_bare_run();
}

/* What comes before the WFI, a tick too, does not end it, but the next tick does. */
uint32_t edge_core_rest(bool (*over)(void)) {
  (void)over;
  edge_interrupts_begin_ticks();
  __asm__ volatile("wfi" ::: "memory");
  return 1u + edge_interrupts_end_ticks() * (EDGE_CPU_CLOCK_HZ / EDGE_TIMER_HZ);
}

void edge_core_enable_interrupt(uint32_t number) { edge_interrupts_enable(number); }
