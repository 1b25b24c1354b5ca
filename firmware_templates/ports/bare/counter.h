/* The counter behind the clock; the build takes the source of the driver that the board names. */
#ifndef EDGE_BARE_COUNTER_H
#define EDGE_BARE_COUNTER_H

#include <stdint.h>

/* Start it; registers that are facts of the board alone are [setup]'s. */
void edge_counter_init(void);

/* Counts up and wraps at 32 bits. */
uint32_t edge_counter_read(void);

#endif
