/* A plugin for QEMU that counts how often every stretch of guest code runs inside one region.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU loads it into itself, and QEMU is under the GNU General Public License, version 2. So this
 * file, unlike the rest of the repository, is too: you may redistribute and modify it under version
 * 2 of that licence or any later one (LICENSE-GPL-2.0 beside it). It comes without any warranty.
 *
 * -plugin FILE,enter=ADDRESS,leave=ADDRESS,out=FILE: counts from the block that begins at `enter`
 * until control reaches `leave`, then appends to `out` a line per block that ran,
 *     first address, address behind the last instruction, executions, of these left by a jump
 * and an empty line, and starts again at zero. Both addresses must begin a block: the entry of a
 * function and the instruction behind a call of it do. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What we need of version 1 of the plugin interface (QEMU 4.2 to 7.2), which ships no header. */
#define EXPORTED __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_fn)(unsigned int cpu, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_fn call);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_fn call, int flags,
                                          void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
#define NO_REGISTERS 0

extern EXPORTED int qemu_plugin_version;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                                 char **argv);

/* QEMU translates some code more than once; every translation is a block of its own. */
typedef struct block {
  uint64_t start, end, runs, jumps;
  struct block *next;
} block_t;

int qemu_plugin_version = 1;
static uint64_t enter, leave;
static FILE *out;
static block_t *blocks, *previous;
static bool inside;

static void write_counts(void) {
  for (block_t *block = blocks; block != NULL; block = block->next) {
    if (block->runs > 0) {
      fprintf(out, "%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->start, block->end,
              block->runs, block->jumps);
    }
    block->runs = block->jumps = 0;
  }
  fputc('\n', out);
  fflush(out);
}

static void executed(unsigned int cpu, void *data) {
  block_t *block = data;
  (void)cpu;
  if (block->start == enter && !inside) {
    inside = true;
    previous = NULL;
  }
  if (!inside) {
    return;
  }
  if (previous != NULL && previous->end != block->start) {
    previous->jumps++;
  }
  if (block->start == leave) {
    inside = false;
    write_counts();
    return;
  }
  block->runs++;
  previous = block;
}

/* Behind a Thumb instruction. QEMU itself gives half the size where one crosses a page. */
static uint64_t end_of(const struct qemu_plugin_insn *insn) {
  const uint8_t *bytes = qemu_plugin_insn_data(insn);
  return qemu_plugin_insn_vaddr(insn) + (bytes[1] >= 0xe8 ? 4 : 2);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  const struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
  const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
  block_t *block = calloc(1, sizeof *block);
  (void)id;
  if (block == NULL) {
    abort();
  }
  block->start = qemu_plugin_insn_vaddr(first);
  block->end = end_of(last);
  block->next = blocks;
  blocks = block;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, NO_REGISTERS, block);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "enter=", 6) == 0) {
      enter = strtoull(argv[i] + 6, NULL, 0);
    } else if (strncmp(argv[i], "leave=", 6) == 0) {
      leave = strtoull(argv[i] + 6, NULL, 0);
    } else if (strncmp(argv[i], "out=", 4) == 0) {
      out = fopen(argv[i] + 4, "a");
    }
  }
  if (enter == 0 || leave == 0 || out == NULL) {
    fprintf(stderr, "executions: enter, leave and a file that can be written are needed\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
