/* Register accesses of the board file's [setup]: clocks, pins, watchdogs, power. */
#ifndef EDGE_BARE_SETUP_H
#define EDGE_BARE_SETUP_H

/* First of all after reset: needs a stack, but no variables. A wait that does not end stops the
 * processor here: with a dead clock nothing could be said. */
void edge_setup_run(void);

#endif
