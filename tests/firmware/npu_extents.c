/* What operations of command streams reach: npu_extents STREAMS, a file of streams, each after its
 * CONFIG word, its count of words and the bytes of all eight regions (u32). A line per operation:
 * `status`, then `region part index written begin end` of every extent; then `= status` of the
 * check of the whole stream. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bounds.h"

static void print(const uint32_t *words, uint32_t count, uint32_t config) {
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command;
  edge_ethosu_begin(&cursor, &state, words, count, edge_ethosu_product(config));
  while (edge_ethosu_next(&cursor, &state, &command) == EDGE_OK) {
    edge_ethosu_accesses_t all;
    printf("%d", (int)edge_ethosu_accesses(&state, &command, config, &all));
    for (uint32_t i = 0; i < all.count; i++) {
      const edge_ethosu_extent_t *one = &all.extent[i];
      printf(" %u %u %u %u %" PRId64 " %" PRId64, (unsigned)one->region, (unsigned)one->part,
             (unsigned)one->index, (unsigned)one->written, one->begin, one->end);
    }
    printf("\n");
    if (command.code == EDGE_ETHOSU_OP_STOP) {
      break;
    }
  }
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: npu_extents STREAMS\n");
    return 2;
  }
  uint32_t head[2 + EDGE_ETHOSU_REGIONS];
  while (fread(head, sizeof head, 1, file) == 1) {
    uint64_t bytes[EDGE_ETHOSU_REGIONS];
    for (uint32_t i = 0; i < EDGE_ETHOSU_REGIONS; i++) {
      bytes[i] = head[2 + i];
    }
    uint32_t *words = malloc(4 * (size_t)head[1] + 1); /* its exact size, for the sanitizer */
    if (words == NULL || fread(words, 4, head[1], file) != head[1]) {
      return 2;
    }
    print(words, head[1], head[0]);
    printf("= %d\n", (int)edge_ethosu_check_stream(words, head[1], bytes, head[0]));
    free(words);
  }
  fclose(file);
  return 0;
}
