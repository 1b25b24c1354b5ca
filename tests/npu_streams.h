/* Programs that read a file of command streams: npu_... STREAMS. Each stream comes after a word of
 * the test's own and its count of words. */
#ifndef EDGE_TEST_NPU_STREAMS_H
#define EDGE_TEST_NPU_STREAMS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*edge_test_stream_fn)(const uint32_t *words, uint32_t count, uint32_t own);

/* What main returns. */
static int edge_test_streams(int argc, char **argv, edge_test_stream_fn each) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: %s STREAMS\n", argv[0]);
    return 2;
  }
  uint32_t head[2];
  while (fread(head, sizeof head, 1, file) == 1) {
    uint32_t *words = malloc(4 * (size_t)head[1] + 1); /* its exact size, for the sanitizer */
    if (words == NULL || fread(words, 4, head[1], file) != head[1]) {
      return 2;
    }
    each(words, head[1], head[0]);
    free(words);
  }
  fclose(file);
  return 0;
}

#endif
