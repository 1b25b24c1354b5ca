/* A counter that runs by itself, or since [setup], and is one register. */
#include "counter.h"

#include "core.h"
#include "edge_board.h"

void edge_counter_init(void) {}

uint32_t edge_counter_read(void) { return EDGE_REG(EDGE_COUNTER_ADDRESS); }
