/* Control and status registers. GCC's assembler wants their extension named, which the board's
 * flags leave out: GCC 12 finds no C library for a march with it. */
#ifndef EDGE_RISCV_CSR_H
#define EDGE_RISCV_CSR_H

#if defined(__clang__)
#define EDGE_CSR_BEGIN ".option push\n"
#else
#define EDGE_CSR_BEGIN ".option push\n.option arch, +zicsr\n"
#endif
#define EDGE_CSR_END "\n.option pop\n"

#define EDGE_CSR_READ(name, to)                                                                    \
  __asm__ volatile(EDGE_CSR_BEGIN "csrr %0, " name EDGE_CSR_END : "=r"(to))
#define EDGE_CSR_WRITE(name, from)                                                                 \
  __asm__ volatile(EDGE_CSR_BEGIN "csrw " name ", %0" EDGE_CSR_END ::"r"(from) : "memory")
#define EDGE_CSR_SET(name, bits)                                                                   \
  __asm__ volatile(EDGE_CSR_BEGIN "csrs " name ", %0" EDGE_CSR_END ::"r"(bits) : "memory")
#define EDGE_CSR_CLEAR(name, bits)                                                                 \
  __asm__ volatile(EDGE_CSR_BEGIN "csrc " name ", %0" EDGE_CSR_END ::"r"(bits) : "memory")

#endif
