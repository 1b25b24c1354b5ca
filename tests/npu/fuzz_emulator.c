/* Damages working command streams and their memory and runs them on the emulator, under ASan and
 * UBSan. Regions lie in buffers of exactly their size, so that any access outside is found.
 *
 * fuzz_emulator CASE SEED COUNT: CASE is u32 config, u32 count of words, u32 bytes of each of three
 * regions, then their contents. Prints how many runs ended well and how many with a fault. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ethosu/seam.h"
#include "npu/ethosu/registers.h"

#define REGIONS 3u
#define WORK_BYTES 40000u

typedef struct input {
  uint32_t config, words;
  uint32_t bytes[REGIONS];
  uint32_t *stream;
  uint8_t *memory[REGIONS];
} input_t;

static uint32_t seed;

static uint32_t draw(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)seed * below >> 32);
}

static void *filled(FILE *file, uint32_t bytes) {
  void *data = malloc(bytes);
  if (data == NULL || fread(data, 1, bytes, file) != bytes) {
    exit(2);
  }
  return data;
}

static input_t read_input(const char *path) {
  input_t input;
  FILE *file = fopen(path, "rb");
  if (file == NULL || fread(&input, 20, 1, file) != 1) {
    exit(2);
  }
  input.stream = filled(file, input.words * 4u);
  for (uint32_t i = 0; i < REGIONS; i++) {
    input.memory[i] = filled(file, input.bytes[i]);
  }
  fclose(file);
  return input;
}

static void *copy(const void *data, uint32_t bytes) {
  void *made = malloc(bytes);
  if (made == NULL) {
    exit(2);
  }
  memcpy(made, data, bytes);
  return made;
}

/* A few bits, a whole word, or the end of the stream. */
static void damage(uint32_t *words, uint32_t *count) {
  for (uint32_t i = draw(4); i > 0u; i--) {
    uint32_t at = draw(*count);
    if (draw(3) == 0u) {
      words[at] = draw(UINT32_MAX);
    } else {
      words[at] ^= 1u << draw(32);
    }
  }
  if (draw(10) == 0u) {
    *count = 1u + draw(*count);
  }
}

static int run(edge_ethosu_t *npu, const input_t *input, void *work) {
  uint32_t words = input->words;
  uint32_t *stream = copy(input->stream, words * 4u);
  uint8_t *memory[REGIONS];
  if (edge_ethosu_init(npu, input->config, NULL, 0, work, WORK_BYTES) != EDGE_OK) {
    exit(2);
  }
  npu->limit = 1u << 20;
  damage(stream, &words);
  (void)edge_ethosu_map(npu, stream, words * 4u, false);
  for (uint32_t i = 0; i < REGIONS; i++) {
    memory[i] = copy(input->memory[i], input->bytes[i]);
    if (i == 0u && draw(2) == 0u) {
      memory[0][draw(input->bytes[0])] ^= (uint8_t)(1u << draw(8));
    }
    (void)edge_ethosu_map(npu, memory[i], input->bytes[i], i > 0u);
    edge_ethosu_write(npu, EDGE_ETHOSU_REG_BASEP(i), (uint32_t)npu->windows[i + 1u].base);
  }
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_QBASE, (uint32_t)npu->windows[0].base);
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_QSIZE, words * 4u);
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_CMD, EDGE_ETHOSU_CMD_RUN);
  uint32_t status = edge_ethosu_read(npu, EDGE_ETHOSU_REG_STATUS);
  bool ended = (status & EDGE_ETHOSU_STATUS_END) != 0u;
  if (ended == (npu->fault.kind != EDGE_ETHOSU_FAULT_NONE)) {
    exit(3);
  }
  free(stream);
  for (uint32_t i = 0; i < REGIONS; i++) {
    free(memory[i]);
  }
  return ended ? 1 : 0;
}

int main(int count, char **words) {
  if (count != 4) {
    return 2;
  }
  input_t input = read_input(words[1]);
  edge_ethosu_t *npu = malloc(sizeof *npu);
  void *work = malloc(WORK_BYTES);
  if (npu == NULL || work == NULL) {
    return 2;
  }
  seed = (uint32_t)strtoul(words[2], NULL, 10);
  uint32_t runs = (uint32_t)strtoul(words[3], NULL, 10);
  uint32_t ended = 0;
  for (uint32_t i = 0; i < runs; i++) {
    ended += (uint32_t)run(npu, &input, work);
  }
  for (uint32_t i = 0; i < REGIONS; i++) {
    free(input.memory[i]);
  }
  free(input.stream);
  free(npu);
  free(work);
  printf("%u %u\n", ended, runs - ended);
  return 0;
}
