/* What the decoder makes of command streams: npu_registers STREAMS, a file of streams, each after
 * its product and its count of words. A line per operation with all registers in the order of
 * commands.def: `code param at : value...`; then `status at` and an empty line. Scales print
 * multiplier and shift. */
#include <inttypes.h>
#include <stdio.h>

#include "npu_streams.h"
#include "stream.h"

static void print(const edge_ethosu_state_t *state) {
#define RAW(field) printf(" %u", (unsigned)(field));
#define COUNT(field) printf(" %" PRIu32, (field));
#define LENGTH(field) printf(" %" PRIu32, (field));
#define ADDRESS(field) printf(" %" PRIu64, (field));
#define STRIDE(field) printf(" %" PRId64, (field));
#define SCALE(field) printf(" %" PRIu32 " %" PRIu32, (field).multiplier, (field).shift);
#define EDGE_ETHOSU_OP(name, code, mask, products)
#define EDGE_ETHOSU_SET(name, code, mask, products, form, field) form(state->field)
#include "commands.def"
}

static void decode(const uint32_t *words, uint32_t count, uint32_t product) {
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command;
  edge_status_t status;
  edge_ethosu_begin(&cursor, &state, words, count, product);
  while ((status = edge_ethosu_next(&cursor, &state, &command)) == EDGE_OK) {
    printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " :", command.code, command.param, command.at);
    print(&state);
    printf("\n");
    if (command.code == EDGE_ETHOSU_OP_STOP) {
      break;
    }
  }
  printf("%d %" PRIu32 "\n\n", (int)status, cursor.at);
}

int main(int argc, char **argv) { return edge_test_streams(argc, argv, decode); }
