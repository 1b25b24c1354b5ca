/* What the hardware would not forgive in command streams: npu_hazards STREAMS, a file of streams,
 * each after its CONFIG word and its count of words. A line per finding: `word kind other region
 * address`; then `= status` of the reading. */
#include <inttypes.h>
#include <stdio.h>

#include "ethosu/hazards.h"
#include "npu_streams.h"

static edge_status_t findings(const uint32_t *words, uint32_t count, uint32_t config) {
  static edge_hazards_t hazards;
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command = {.code = EDGE_ETHOSU_OP_IRQ};
  edge_ethosu_begin(&cursor, &state, words, count, edge_ethosu_product(config));
  edge_hazards_begin(&hazards, config);
  while (command.code != EDGE_ETHOSU_OP_STOP) {
    edge_ethosu_accesses_t accesses;
    edge_status_t status = edge_ethosu_next(&cursor, &state, &command);
    if (status == EDGE_OK) {
      status = edge_ethosu_accesses(&state, &command, config, &accesses);
    }
    if (status != EDGE_OK) {
      return status;
    }
    const edge_hazard_t found = edge_hazards_next(&hazards, &state, &command, &accesses);
    if (found.kind != EDGE_HAZARD_NONE) {
      printf("%" PRIu32 " %u %" PRIu32 " %" PRIu32 " %" PRId64 "\n", command.at,
             (unsigned)found.kind, found.other, found.region, found.address);
    }
  }
  return EDGE_OK;
}

static void print(const uint32_t *words, uint32_t count, uint32_t config) {
  printf("= %d\n", (int)findings(words, count, config));
}

int main(int argc, char **argv) { return edge_test_streams(argc, argv, print); }
