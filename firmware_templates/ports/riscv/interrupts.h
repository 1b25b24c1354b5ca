/* How interrupts come to the processor; the build takes the source that [riscv] names. */
#ifndef EDGE_RISCV_INTERRUPTS_H
#define EDGE_RISCV_INTERRUPTS_H

#include <stdint.h>

/* All lines off, the timer too, whatever ran before. */
void edge_interrupts_init(void);

/* The line of the board file's [uart]. */
void edge_interrupts_enable(uint32_t number);

/* One was taken, and `cause` is what mcause says without its highest bit. */
void edge_interrupts_taken(uint32_t cause);

/* Between the two the timer interrupts every millisecond. The end tells the ticks that passed, of
 * EDGE_TIMER_HZ. */
void edge_interrupts_begin_ticks(void);
uint32_t edge_interrupts_end_ticks(void);

#endif
