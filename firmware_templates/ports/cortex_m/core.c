/* Armv6-M, Armv7-M and Armv8-M (Arm DDI 0419, DDI 0403, DDI 0553): vectors, reset, faults, stack,
 * sleep. */
#include "core.h"

#include <stdbool.h>
#include <stddef.h>

#include "cache.h"
#include "edge_board.h"
#include "setup.h"
#include "start.h"
#include "uart.h"

#define SYST_CSR EDGE_REG(0xE000E010u)
#define SYST_RVR EDGE_REG(0xE000E014u)
#define SYST_CVR EDGE_REG(0xE000E018u)
#define NVIC_ISER(n) EDGE_REG(0xE000E100u + 4u * (n))
#define NVIC_ICER(n) EDGE_REG(0xE000E180u + 4u * (n))
#define NVIC_ICPR(n) EDGE_REG(0xE000E280u + 4u * (n))
#define SCB_ICSR EDGE_REG(0xE000ED04u)
#define SCB_VTOR EDGE_REG(0xE000ED08u)
#define SCB_AIRCR EDGE_REG(0xE000ED0Cu)
#define SCB_CCR EDGE_REG(0xE000ED14u)
#define SCB_SHCSR EDGE_REG(0xE000ED24u)
#define SCB_CFSR EDGE_REG(0xE000ED28u)
#define SCB_HFSR EDGE_REG(0xE000ED2Cu)
#define SCB_MMFAR EDGE_REG(0xE000ED34u)
#define SCB_BFAR EDGE_REG(0xE000ED38u)
#define SCB_CPACR EDGE_REG(0xE000ED88u)
#define DEMCR EDGE_REG(0xE000EDFCu)

#if __ARM_ARCH == 6
#define INTERRUPT_WORDS 1u
#else
#define INTERRUPT_WORDS 15u /* 480 interrupts at most; those that a chip lacks ignore it */
#endif
#define AIRCR_RESET 0x05FA0004u /* VECTKEY, SYSRESETREQ */
#define CCR_LOB (1u << 19)      /* low-overhead loops, which Helium code uses */
/* MemManage, BusFault, UsageFault: a fault that cannot store its frame, because the stack is what
 * failed, can then still escalate to HardFault; from HardFault it would be a lockup. */
#define SHCSR_FAULTS (7u << 16)
#define CPACR_FPU (0xFu << 20)
#define DEMCR_TRCENA (1u << 24)
#define ICSR_CLEAR_SYSTICK (1u << 25)
#define ICSR_CLEAR_PENDSV (1u << 27)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_BFARVALID (1u << 15)
#define SYSTICK_ON 5u /* processor clock, no interrupt */
#define SYSTICK_INTERRUPT 2u
#define SYSTICK_PASSED (1u << 16) /* has reached 0 since this was last read */
#define SYSTICK_LONGEST (EDGE_CPU_CLOCK_HZ / 1000u)
#define REST_CYCLES 64u /* at least, of a rest that ends at once */

extern uint32_t edge_stack_limit[], edge_stack_top[];
static uint32_t fault_stack[128] __attribute__((aligned(8), used));

void edge_reset(void) __attribute__((noreturn, used));
void edge_fault(const uint32_t *frame, uint32_t kind) __attribute__((noreturn, used));
void edge_fault_entry(void);

_Noreturn void edge_core_restart(const void *kept, uint32_t bytes) {
  edge_cache_clean(kept, bytes);
  __asm__ volatile("dsb" ::: "memory");
  SCB_AIRCR = AIRCR_RESET;
  for (;;) {
  }
}

_Noreturn void edge_core_stop(const void *kept, uint32_t bytes) {
  edge_cache_clean(kept, bytes);
  for (;;) {
    __asm__ volatile("cpsid i\n wfi" ::: "memory");
  }
}

#if __ARM_ARCH >= 7
static void tell_cause(edge_fault_t *fault) {
  fault->cfsr = SCB_CFSR;
  fault->hfsr = SCB_HFSR;
  fault->address = (fault->cfsr & CFSR_BFARVALID) != 0   ? SCB_BFAR
                   : (fault->cfsr & CFSR_MMARVALID) != 0 ? SCB_MMFAR
                                                         : 0;
}

static void enable_faults(void) { SCB_SHCSR |= SHCSR_FAULTS; }
#else /* Armv6-M has HardFault alone, which has no cause */
static void tell_cause(edge_fault_t *fault) { (void)fault; }

static void enable_faults(void) {}
#endif

/* `frame` is the stack pointer at exception entry; after a stack overflow it points anywhere. */
void edge_fault(const uint32_t *frame, uint32_t kind) {
  const uint32_t at = (uint32_t)(uintptr_t)frame;
  const bool readable = at >= (uint32_t)(uintptr_t)edge_stack_limit &&
                        at + 32u <= (uint32_t)(uintptr_t)edge_stack_top;
  edge_fault_t fault = {.kind = kind & 0x1FFu,
                        .pc = readable ? frame[6] : 0,
                        .lr = readable ? frame[5] : 0,
                        .sp = at,
                        .xpsr = readable ? frame[7] : 0};
  tell_cause(&fault);
  edge_bare_fault(&fault);
}

/* The stack may be what failed: take another one before any C code runs. */
__attribute__((naked)) void edge_fault_entry(void) {
  __asm__ volatile("mrs r0, msp\n"
                   "mrs r1, ipsr\n"
#if __ARM_ARCH >= 8
                   "movs r2, #0\n"
                   "msr msplim, r2\n"
#endif
                   "ldr r2, =fault_stack + 512\n"
                   "msr msp, r2\n"
                   "ldr r3, =edge_fault\n" /* a branch of Armv6-M does not reach that far */
                   "bx r3\n");
}

void edge_port_uart_interrupt(void) __attribute__((weak, alias("edge_fault_entry")));

typedef void (*vector_t)(void);
__attribute__((section(".vectors"), used)) static const union {
  const void *stack;
  vector_t handler;
} vectors[16 + EDGE_INTERRUPTS] = {
    {.stack = edge_stack_top},
    {.handler = edge_reset},
    [2 ... 15 + EDGE_UART_INTERRUPT] = {.handler = edge_fault_entry},
    [16 + EDGE_UART_INTERRUPT] = {.handler = edge_port_uart_interrupt},
    [17 + EDGE_UART_INTERRUPT... 15 + EDGE_INTERRUPTS] = {.handler = edge_fault_entry},
};

/* What a boot ROM or a bootloader has left on would be taken for a fault. */
static void quieten(void) {
  __asm__ volatile("cpsid i" ::: "memory");
  SYST_CSR = 0;
  SCB_ICSR = ICSR_CLEAR_SYSTICK | ICSR_CLEAR_PENDSV;
  for (uint32_t n = 0; n < INTERRUPT_WORDS; n++) {
    NVIC_ICER(n) = UINT32_MAX;
    NVIC_ICPR(n) = UINT32_MAX;
  }
  __asm__ volatile("dsb\n cpsie i\n isb" ::: "memory");
}

static void enable_core(void) {
  quieten();
  SCB_VTOR = (uint32_t)(uintptr_t)vectors;
  enable_faults();
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  SCB_CPACR |= CPACR_FPU;
#endif
#if defined(__ARM_FEATURE_MVE)
  SCB_CCR |= CCR_LOB;
#endif
#if __ARM_ARCH >= 8
  __asm__ volatile("msr msplim, %0" ::"r"(edge_stack_limit));
#endif
  __asm__ volatile("dsb\n isb" ::: "memory");
}

void edge_reset(void) {
  enable_core();
  edge_setup_run();
  edge_cache_enable();
  edge_bare_start();
  edge_bare_run();
}

/* WFI wakes on a pending interrupt even while PRIMASK keeps it from being taken (DDI 0403
 * B1.5.19), so the timer needs no handler and never interrupts a computation. */
static void disable_interrupts(void) { __asm__ volatile("cpsid i" ::: "memory"); }

static void enable_interrupts(void) { __asm__ volatile("cpsie i\n isb" ::: "memory"); }

/* What an nRF5340 at 128 MHz runs right after a sleep may go wrong (anomaly 168). */
#define AWAKE "nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n"

static uint32_t sleep(void) {
  SYST_RVR = SYSTICK_LONGEST;
  SYST_CVR = 0;
  SYST_CSR = SYSTICK_ON | SYSTICK_INTERRUPT;
  __asm__ volatile("dsb\n wfi\n" AWAKE ::: "memory");
  const uint32_t left = SYST_CVR;
  const bool passed = (SYST_CSR & SYSTICK_PASSED) != 0;
  SYST_CSR = 0;
  SCB_ICSR = ICSR_CLEAR_SYSTICK;
  return REST_CYCLES + (passed ? SYSTICK_LONGEST : left > 0 ? SYSTICK_LONGEST - left : 0u);
}

uint64_t edge_core_cycles(uint32_t ms) { return (uint64_t)ms * SYSTICK_LONGEST; }

/* Where WFI stops SysTick (nRF52, nRF53), nothing but the next byte would end a sleep after one
 * that its handler has taken since the caller looked. */
uint32_t edge_core_rest(bool (*over)(void)) {
  disable_interrupts();
  const uint32_t cycles = over != NULL && over() ? REST_CYCLES : sleep();
  enable_interrupts();
  return cycles;
}

static uint32_t line(uint32_t number) { return 1u << (number % 32u); }

uint32_t edge_core_rest_for(uint32_t number) {
  disable_interrupts();
  NVIC_ISER(number / 32u) = line(number);
  const uint32_t cycles = sleep();
  NVIC_ICER(number / 32u) = line(number);
  __asm__ volatile("dsb" ::: "memory");
  enable_interrupts();
  return cycles;
}

void edge_core_enable_interrupt(uint32_t number) { NVIC_ISER(number / 32u) = line(number); }

void edge_core_forget_interrupt(uint32_t number) { NVIC_ICPR(number / 32u) = line(number); }
