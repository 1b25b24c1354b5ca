/* Damages command streams of whole graphs, command by command, under ASan and UBSan: what the check
 * on load accepts never leaves its memory on the emulator, and is never a bus error there.
 *
 * fuzz_streams STREAMS SEED ROUNDS: a file of streams, each u32 config, u32 count of words, u32
 * bytes of each of three regions, then the words. Prints how many damaged streams were accepted,
 * and how many of those ran to their end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ethosu/seam.h"
#include "npu/ethosu/bounds.h"
#include "npu/ethosu/registers.h"

#define REGIONS 3u
#define WORK_BYTES 40000u
#define WORK_LIMIT (1u << 20) /* longer jobs end as a fault */

typedef struct stream {
  uint32_t config, count;
  uint32_t bytes[REGIONS];
} stream_t;

static uint32_t seed, accepted, ended;

static uint32_t draw(uint32_t below) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)seed * below >> 32);
}

static void *room(size_t bytes) {
  void *made = malloc(bytes > 0 ? bytes : 1);
  if (made == NULL) {
    exit(2);
  }
  return made;
}

static uint32_t length(uint32_t word) { return (word & 0x4000u) != 0 ? 2 : 1; }

/* The start of a command that is drawn. */
static uint32_t command_at(const uint32_t *words, uint32_t count) {
  uint32_t at = 0;
  for (uint32_t i = draw(count); at + length(words[at]) < count && at < i;) {
    at += length(words[at]);
  }
  return at;
}

static uint32_t changed(uint32_t value) {
  static const uint32_t edges[] = {0,      1,       7,       15,         16,        0x7f,
                                   0xffff, 0x10000, 0xfffff, 0x7fffffff, 0xfffffff0};
  switch (draw(4)) {
  case 0:
    return edges[draw(sizeof edges / sizeof *edges)];
  case 1:
    return value + 1 - 2 * draw(2);
  case 2:
    return value + 16 * (1 - 2 * draw(2));
  default:
    return value ^ 1u << draw(32);
  }
}

static void damage(uint32_t *words, uint32_t *count) {
  for (uint32_t i = 1 + draw(3); i > 0 && *count > 2; i--) {
    const uint32_t at = command_at(words, *count), size = length(words[at]);
    const uint32_t behind = at + size < *count ? at + size : *count;
    switch (draw(5)) {
    case 0: /* leave it out */
      memmove(words + at, words + behind, (*count - behind) * sizeof *words);
      *count -= behind - at;
      break;
    case 1: /* another command */
      words[at] = (words[at] & 0xffff0000u) | (words[draw(*count)] & 0xffffu);
      break;
    case 2: /* anything */
      words[at] ^= 1u << draw(32);
      break;
    default: /* another value */
      if (size == 2 && behind - at == 2) {
        words[at + 1] = changed(words[at + 1]);
      } else {
        words[at] = (words[at] & 0xffffu) | changed(words[at] >> 16) << 16;
      }
    }
  }
}

static void run(edge_ethosu_t *npu, void *work, const stream_t *head, uint32_t *stream,
                uint32_t count) {
  uint8_t *memory[REGIONS];
  if (edge_ethosu_init(npu, head->config, NULL, 0, work, WORK_BYTES) != EDGE_OK) {
    exit(2);
  }
  npu->limit = WORK_LIMIT;
  npu->strict = draw(4) != 0;
  (void)edge_ethosu_map(npu, stream, count * 4u, false);
  for (uint32_t i = 0; i < REGIONS; i++) {
    memory[i] = room(head->bytes[i]);
    memset(memory[i], (int)draw(256), head->bytes[i]);
    (void)edge_ethosu_map(npu, memory[i], head->bytes[i], i > 0u);
    edge_ethosu_write(npu, EDGE_ETHOSU_REG_BASEP(i), (uint32_t)npu->windows[i + 1u].base);
  }
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_QBASE, (uint32_t)npu->windows[0].base);
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_QSIZE, count * 4u);
  edge_ethosu_write(npu, EDGE_ETHOSU_REG_CMD, EDGE_ETHOSU_CMD_RUN);
  const uint32_t kind = npu->fault.kind;
  if (kind == EDGE_ETHOSU_FAULT_QUEUE || kind == EDGE_ETHOSU_FAULT_STREAM ||
      kind == EDGE_ETHOSU_FAULT_READ || kind == EDGE_ETHOSU_FAULT_WRITE ||
      kind == EDGE_ETHOSU_FAULT_LOOKUP) {
    printf("accepted, but at word %u: %s\n", (unsigned)npu->fault.at, edge_ethosu_fault_text(kind));
    exit(3);
  }
  ended += (edge_ethosu_read(npu, EDGE_ETHOSU_REG_STATUS) & EDGE_ETHOSU_STATUS_END) != 0u;
  for (uint32_t i = 0; i < REGIONS; i++) {
    free(memory[i]);
  }
}

int main(int argc, char **argv) {
  FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: fuzz_streams STREAMS SEED ROUNDS\n");
    return 2;
  }
  seed = (uint32_t)strtoul(argv[2], NULL, 10);
  edge_ethosu_t *npu = room(sizeof *npu);
  void *work = room(WORK_BYTES);
  stream_t head;
  while (fread(&head, sizeof head, 1, file) == 1) {
    uint32_t *good = room(4 * (size_t)head.count);
    if (fread(good, 4, head.count, file) != head.count) {
      return 2;
    }
    const uint64_t bytes[EDGE_ETHOSU_REGIONS] = {head.bytes[0], head.bytes[1], head.bytes[2]};
    for (uint32_t round = (uint32_t)strtoul(argv[3], NULL, 10); round > 0; round--) {
      uint32_t count = head.count;
      uint32_t *words = room(4 * (size_t)count);
      memcpy(words, good, 4 * (size_t)count);
      damage(words, &count);
      uint32_t *exact = room(4 * (size_t)count); /* its exact size, for the sanitizer */
      memcpy(exact, words, 4 * (size_t)count);
      free(words);
      if (edge_ethosu_check_stream(exact, count, bytes, head.config) == EDGE_OK) {
        accepted++;
        run(npu, work, &head, exact, count);
      }
      free(exact);
    }
    free(good);
  }
  fclose(file);
  free(npu);
  free(work);
  printf("%u %u\n", (unsigned)accepted, (unsigned)ended);
  return 0;
}
