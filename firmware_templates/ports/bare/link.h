/* A way to the host; the build takes one of link_*.c. */
#ifndef EDGE_BARE_LINK_H
#define EDGE_BARE_LINK_H

#include <stdint.h>

#include "edge/port.h"

/* Returns how many received bytes the link can hold. */
uint32_t edge_link_init(void);
uint32_t edge_link_read(uint8_t *data, uint32_t capacity);
void edge_link_write(const uint8_t *data, uint32_t size);
void edge_link_usage(edge_port_usage_t *usage);

/* Sleep for at most a millisecond without spoiling the clock; for links that wait. (port.c) */
void edge_bare_rest(void);

#endif
