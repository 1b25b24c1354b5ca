/* What both kinds of tables begin with (docs/biasing.md). */
#ifndef EDGE_BIAS_TABLE_H
#define EDGE_BIAS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define EDGE_TABLE_HEADER_BYTES 64u
#define EDGE_TABLE_RESERVED 24u /* up to the name */
#define EDGE_TABLE_NAME 32u

/* Reserved bytes are zero; the name has 1 to 31 of the characters that a file name may have
 * everywhere, then only zeros. */
bool edge_table_head_valid(const uint8_t *table);

#endif
