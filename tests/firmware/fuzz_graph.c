/* Seeded fuzzer of images and graphs: fuzz_graph SEED ROUNDS FILE...
 *
 * Images are mutated and their checksums made right again, so that mutations reach the validators;
 * what they accept is run. Memory is malloc'ed to the exact size, so that the address sanitizer
 * sees one byte too many. LLVMFuzzerTestOneInput is the entry for a coverage-guided fuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../firmware_templates/runtime/npu/ethosu/bounds.h"
#include "../../firmware_templates/runtime/npu/ethosu/registers.h"
#include "edge/graph.h"
#include "edge/image.h"
#include "edge/kernels.h"
#include "edge/npu.h"

#define MAX_FUZZED_BYTES (1u << 20) /* of an arena or state block that is worth running */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t graph_tags[4] = {EDGE_TAG_SINGLE, EDGE_TAG_ENCODER, EDGE_TAG_PREDICTOR,
                                       EDGE_TAG_JOINER};
static uint32_t accepted;

static uint32_t load(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store(uint8_t *p, uint32_t value) {
  for (uint32_t i = 0; i < 4; i++)
    p[i] = (uint8_t)(value >> (8 * i));
}

/* Right checksums for the header and for every section that lies inside. */
static void fix_checksums(uint8_t *image, uint32_t size) {
  uint32_t count = (uint32_t)image[6] | (uint32_t)image[7] << 8;
  if (count > EDGE_IMAGE_MAX_SECTIONS || 32u + 16u * count > size)
    return;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t *entry = image + 32 + 16 * i;
    uint32_t offset = load(entry + 4);
    uint32_t bytes = load(entry + 8);
    if (offset <= size && bytes <= size - offset)
      store(entry + 12, edge_crc32(0, image + offset, bytes));
  }
  store(image + 28, edge_crc32(edge_crc32(0, image, 28), image + 32, 16 * count));
}

static void fill_inputs(const edge_graph_t *graph, uint32_t salt) {
  edge_tensor_t tensor;
  for (uint32_t i = 0; i < graph->input_count; i++) {
    if (edge_graph_input(graph, i, &tensor) != EDGE_OK)
      abort();
    uint8_t *bytes = (uint8_t *)tensor.data;
    for (uint32_t k = 0; k < tensor.bytes; k++)
      bytes[k] = tensor.dtype == EDGE_S32 ? (uint8_t)(k % 4 == 0 ? salt % 7 : 0)
                                          : (uint8_t)(k * 37 + salt);
  }
}

/* An NPU that computes nothing, but touches every byte that a stream makes a real one touch. */
typedef struct fake_npu {
  uint32_t registers[EDGE_ETHOSU_REG_BYTES / 4];
  uint8_t *section;
  uint8_t *arena;
} fake_npu_t;

#define SECTION_ADDRESS 0x10000000u
#define ARENA_ADDRESS 0x40000000u

static uint8_t *memory_at(const fake_npu_t *npu, uint64_t address) {
  return address >= ARENA_ADDRESS ? npu->arena + (address - ARENA_ADDRESS)
                                  : npu->section + (address - SECTION_ADDRESS);
}

static void touch(const fake_npu_t *npu, const edge_ethosu_extent_t *extent) {
  if (extent->region >= EDGE_ETHOSU_REGIONS)
    return; /* its own memory */
  uint64_t base = npu->registers[EDGE_ETHOSU_REG_BASEP(extent->region) / 4];
  volatile uint8_t *bytes = memory_at(npu, base);
  for (int64_t i = extent->begin; i < extent->end; i++) {
    uint8_t value = bytes[i];
    if (extent->written)
      bytes[i] = (uint8_t)(value + 1);
  }
}

static void run_stream(const fake_npu_t *npu, uint32_t config) {
  edge_ethosu_cursor_t cursor;
  edge_ethosu_state_t state;
  edge_ethosu_command_t command;
  edge_ethosu_accesses_t accesses;
  const uint8_t *words = memory_at(npu, npu->registers[EDGE_ETHOSU_REG_QBASE / 4]);
  edge_ethosu_begin(&cursor, &state, (const uint32_t *)(const void *)words,
                    npu->registers[EDGE_ETHOSU_REG_QSIZE / 4] / 4, edge_ethosu_product(config));
  do {
    if (edge_ethosu_next(&cursor, &state, &command) != EDGE_OK ||
        edge_ethosu_accesses(&state, &command, config, &accesses) != EDGE_OK)
      abort();
    for (uint32_t i = 0; i < accesses.count; i++)
      touch(npu, &accesses.extent[i]);
  } while (command.code != EDGE_ETHOSU_OP_STOP);
}

static uint32_t fake_read(void *device, uint32_t offset) {
  return ((const fake_npu_t *)device)->registers[offset / 4];
}

static void fake_write(void *device, uint32_t offset, uint32_t value) {
  fake_npu_t *npu = (fake_npu_t *)device;
  npu->registers[offset / 4] = value;
  if (offset == EDGE_ETHOSU_REG_CMD && value == EDGE_ETHOSU_CMD_RUN) {
    run_stream(npu, npu->registers[EDGE_ETHOSU_REG_CONFIG / 4]);
    npu->registers[EDGE_ETHOSU_REG_STATUS / 4] = EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_END;
  } else if (offset == EDGE_ETHOSU_REG_CMD) {
    npu->registers[EDGE_ETHOSU_REG_STATUS / 4] = 0;
  }
}

static bool fake_wait(void *device) { return device == NULL; }

static uint64_t fake_address(void *device, const void *data) {
  const fake_npu_t *npu = (const fake_npu_t *)device;
  const uint8_t *at = (const uint8_t *)data;
  return at >= npu->arena && at < npu->arena + MAX_FUZZED_BYTES
             ? ARENA_ADDRESS + (uint64_t)(at - npu->arena)
             : SECTION_ADDRESS + (uint64_t)(at - npu->section);
}

/* The NPU is the one that the graph's first step was compiled for, where it has one. */
static void attach(edge_graph_t *graph, fake_npu_t *fake, edge_npu_t *npu) {
  const edge_plan_header_t *header = (const edge_plan_header_t *)(const void *)graph->section;
  const uint8_t *at = graph->section + header->ops_offset;
  for (uint32_t i = 0; i < graph->op_count; i++) {
    const edge_op_npu_t *op = (const edge_op_npu_t *)(const void *)at;
    if (op->head.code == EDGE_OP_NPU_ETHOSU) {
      fake->registers[EDGE_ETHOSU_REG_CONFIG / 4] = op->config;
      fake->registers[EDGE_ETHOSU_REG_ID / 4] = op->id;
      break;
    }
    at += 4u * op->head.words;
  }
  *npu = (edge_npu_t){.device = fake,
                      .read = fake_read,
                      .write = fake_write,
                      .wait = fake_wait,
                      .address = fake_address};
  (void)edge_graph_attach(graph, npu); /* refused: the steps find none */
}

static void run_graph(edge_graph_t *graph) {
  uint8_t *arena = aligned_alloc(16, graph->arena_bytes > 0 ? graph->arena_bytes : 16);
  uint8_t *state = aligned_alloc(16, graph->state_bytes > 0 ? graph->state_bytes : 16);
  edge_tensor_t tensor;
  uint32_t code;
  memset(arena, 0xa5, graph->arena_bytes);
  if (edge_graph_bind(graph, arena, state) != EDGE_OK)
    abort();
  static fake_npu_t fake;
  edge_npu_t npu;
  memset(&fake, 0, sizeof fake);
  fake.section = (uint8_t *)(uintptr_t)graph->section;
  fake.arena = arena;
  attach(graph, &fake, &npu);
  for (uint32_t step = 0; step < 2; step++) {
    fill_inputs(graph, step);
    edge_graph_invoke(graph);
  }
  for (uint32_t i = 0; i < graph->op_count; i++) {
    if (edge_graph_op(graph, i, &tensor, &code) != EDGE_OK)
      abort();
  }
  uint32_t sum = 0; /* touch every byte of the outputs */
  for (uint32_t i = 0; i < graph->output_count; i++) {
    if (edge_graph_output(graph, i, &tensor) != EDGE_OK)
      abort();
    for (uint32_t k = 0; k < tensor.bytes; k++)
      sum += ((const uint8_t *)tensor.data)[k];
  }
  if (sum == 1u)
    puts("");
  free(arena);
  free(state);
}

static void try_section(const uint8_t *section, uint32_t size) {
  edge_graph_t graph;
  uint8_t *exact = aligned_alloc(16, (size + 15u) & ~15u);
  memcpy(exact, section, size);
  if (edge_graph_open(&graph, exact, size) == EDGE_OK && graph.arena_bytes <= MAX_FUZZED_BYTES &&
      graph.state_bytes <= MAX_FUZZED_BYTES) {
    accepted++;
    run_graph(&graph);
  }
  free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *image = aligned_alloc(16, (size + 31u) & ~(size_t)15u);
  edge_image_t opened;
  edge_span_t span;
  memcpy(image, data, size);
  if (size >= 32)
    fix_checksums(image, (uint32_t)size);
  if (edge_image_open(&opened, image, (uint32_t)size) == EDGE_OK) {
    for (uint32_t i = 0; i < 4; i++) {
      if (edge_image_find(&opened, graph_tags[i], &span) == EDGE_OK)
        try_section(span.data, span.size);
    }
  }
  free(image);
  return 0;
}

static uint32_t random_state;

static uint32_t draw(uint32_t below) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % below;
}

/* A few changes: bits, bytes, and words that are typical of off-by-one and overflow. */
static void mutate(uint8_t *data, uint32_t size) {
  static const uint32_t words[12] = {0,          1,          2,          0xff,
                                     0x100,      0xffff,     0x10000,    0x40000000,
                                     0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
  for (uint32_t i = 1 + draw(3); i > 0; i--) {
    uint32_t at = draw(size);
    uint32_t word = at & ~3u;
    switch (draw(5)) {
    case 0:
      data[at] ^= (uint8_t)(1u << draw(8));
      break;
    case 1:
      data[at] = (uint8_t)draw(256);
      break;
    case 2:
      store(data + word, words[draw(12)]);
      break;
    case 3:
      store(data + word, load(data + word) + draw(33) - 16);
      break;
    default:
      store(data + word, load(data + draw(size / 4) * 4));
      break;
    }
  }
}

/* Mostly the tables of the first section, where most damage can be done; else what a table points
 * at (packed weights, command streams), or anywhere. */
static uint32_t fuzz_file(const uint8_t *seed, uint32_t size, uint32_t rounds) {
  uint8_t *copy = malloc(size);
  uint32_t first = load(seed + 36);
  for (uint32_t round = 0; round < rounds; round++) {
    memcpy(copy, seed, size);
    uint32_t front = load(copy + first + 24); /* const_offset: plan tables come before */
    if (front < 64 || front > size - first)
      front = size - first;
    uint32_t used = size;
    uint32_t behind = size - first - front < 1024 ? size - first - front : 1024;
    switch (draw(8)) {
    case 0:
      mutate(copy, size);
      break;
    case 1:
      if (behind >= 4) {
        mutate(copy + first + front, behind);
        break;
      } /* fall through */
    default:
      mutate(copy + first, front);
    }
    if (draw(32) == 0)
      used = draw(size);
    LLVMFuzzerTestOneInput(copy, used);
  }
  free(copy);
  return rounds;
}

int main(int argc, char **argv) {
  if (argc < 4)
    return 2;
  random_state = (uint32_t)strtoul(argv[1], NULL, 10) | 1u;
  uint32_t rounds = (uint32_t)strtoul(argv[2], NULL, 10);
  for (int i = 3; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    uint8_t *seed = malloc(1u << 20);
    if (file == NULL || seed == NULL)
      return 2;
    uint32_t size = (uint32_t)fread(seed, 1, 1u << 20, file);
    fclose(file);
    uint32_t before = accepted;
    LLVMFuzzerTestOneInput(seed, size);
    if (accepted == before) {
      printf("%s: the seed itself is refused\n", argv[i]);
      return 1;
    }
    fuzz_file(seed, size, rounds);
    printf("%s: %u of %u accepted and run\n", argv[i], accepted - before, rounds + 1);
    free(seed);
  }
  return 0;
}
