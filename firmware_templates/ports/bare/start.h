/* What the start and the end of a run have in common on every processor. */
#ifndef EDGE_BARE_START_H
#define EDGE_BARE_START_H

#include <stdint.h>

#include "edge/port.h"

/* For the processor. (start.c) */

/* Behind edge_setup_run: paint the stack, give variables their values. */
void edge_bare_start(void);

/* The application, for ever. */
_Noreturn void edge_bare_run(void);

/* Keep a fault for the next start to report, then restart. Stop where it is the second one before
 * the host has spoken, which would only come once more. */
_Noreturn void edge_bare_fault(const edge_fault_t *fault);

/* For the port. (start.c) */

/* Cause of this start and, after a fault, its registers. */
void edge_bare_boot(edge_port_info_t *info);

/* The host has spoken: a fault may start the device again. */
void edge_bare_heard(void);

/* Regions of the linker script. */
void edge_bare_regions(edge_port_info_t *info);

void edge_bare_stack(edge_port_usage_t *usage);

/* Of the processor. */

/* What is `kept` outlives it: it has to be in memory by then, where there are caches. */
_Noreturn void edge_core_restart(const void *kept, uint32_t bytes);

/* Wait for a power cycle or a debugger. */
_Noreturn void edge_core_stop(const void *kept, uint32_t bytes);

#endif
