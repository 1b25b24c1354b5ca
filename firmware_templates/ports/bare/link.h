/* A way to the host; the build takes one of link_*.c. */
#ifndef EDGE_BARE_LINK_H
#define EDGE_BARE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "edge/port.h"

/* Returns how many received bytes the link can hold. */
uint32_t edge_link_init(void);
uint32_t edge_link_read(uint8_t *data, uint32_t capacity);
/* Whether there is something to read. */
bool edge_link_waits(void);
void edge_link_write(const uint8_t *data, uint32_t size);
void edge_link_usage(edge_port_usage_t *usage);

/* edge_core_rest without spoiling the clock; for links that wait. (port.c) */
void edge_bare_rest(bool (*over)(void));

#endif
