/* What the decoder of command streams makes of a file: npu_registers STREAM PRODUCT. A line per
 * operation with all registers in the order of commands.def: `code param at : value...`; the last
 * line is `status at`. Scales print multiplier and shift. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream.h"

static void print(const edge_ethosu_state_t *state) {
#define RAW(field) printf(" %u", (unsigned)(field));
#define COUNT(field) printf(" %" PRIu32, (field));
#define LENGTH(field) printf(" %" PRIu32, (field));
#define ADDRESS(field) printf(" %" PRIu64, (field));
#define STRIDE(field) printf(" %" PRId64, (field));
#define SCALE(field) printf(" %" PRIu32 " %" PRIu32, (field).multiplier, (field).shift);
#define EDGE_ETHOSU_OP(name, code, products)
#define EDGE_ETHOSU_SET(name, code, products, form, field) form(state->field)
#include "commands.def"
}

int main(int argc, char **argv) {
  static uint32_t words[1u << 20];
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: npu_registers STREAM PRODUCT\n");
    return 2;
  }
  const uint32_t count = (uint32_t)fread(words, 4, sizeof words / sizeof *words, file);
  fclose(file);
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command;
  edge_status_t status;
  edge_ethosu_begin(&cursor, &state, words, count, (uint32_t)strtoul(argv[2], NULL, 10));
  while ((status = edge_ethosu_next(&cursor, &state, &command)) == EDGE_OK) {
    printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " :", command.code, command.param, command.at);
    print(&state);
    printf("\n");
    if (command.code == EDGE_ETHOSU_OP_STOP) {
      break;
    }
  }
  printf("%d %" PRIu32 "\n", (int)status, cursor.at);
  return 0;
}
