/* The driver of the Ethos-U on an NPU of wax: a row of registers and a plan of how it behaves.
 * Prints a line per case: its name, every access in order, the status. Accesses: rOFFSET,
 * wOFFSET=VALUE, wait, clean and drop with offset and length; offsets count in the arena, or from
 * SECTIONS on in the section of the graph, which is the file SECTION. */
#include <string.h>

#include "../../firmware_templates/runtime/npu/ethosu/driver.h"
#include "../../firmware_templates/runtime/npu/ethosu/registers.h"
#include "bare.h"
#include "edge/graph.h"

__asm__(".section .rodata\n"
        ".balign 16\n"
        "section_start: .incbin \"" SECTION "\"\n"
        "section_end:\n"
        ".text\n");
extern const uint8_t section_start[], section_end[];

#define ARENA 0x1000u
#define CONFIG 0x00001807u /* Ethos-U55 of 128 MACs */
#define ID 0x10060000u
#define BASE 0x60000000u /* of the arena, as the NPU sees it */
#define SECTIONS 0x100000u

typedef struct wax {
  uint32_t registers[EDGE_ETHOSU_REG_BYTES / 4];
  uint32_t outcome;     /* bits of STATUS at the end of a job */
  uint32_t waits;       /* until then */
  bool never;           /* ends: the limit passes */
  bool reset_hangs;     /* STATUS shows a reset for good */
  uint32_t level_stuck; /* bits of PROT that a reset leaves set */
  uint64_t base;
  char log[4096];
  uint32_t used;
} wax_t;

static wax_t wax;
static _Alignas(16) uint8_t arena[ARENA];
static bool quiet; /* accesses of this case are of no interest */

static void say(const char *text) {
  while (*text != '\0' && wax.used < sizeof wax.log - 1) {
    wax.log[wax.used++] = *text++;
  }
}

static void say_hex(uint32_t value) {
  char digits[9];
  uint32_t at = 8;
  digits[at] = '\0';
  do {
    digits[--at] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value > 0);
  say(digits + at);
}

static void say_number(uint32_t value) {
  char digits[11];
  uint32_t at = 10;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  say(digits + at);
}

/* An access, unless quiet; `joint` parts its numbers. */
static void note(const char *what, uint32_t first, const char *joint, uint32_t second) {
  if (!quiet) {
    say(what);
    say_hex(first);
    if (*joint != '\0') {
      say(joint);
      say_hex(second);
    }
  }
}

static uint32_t wax_read(void *device, uint32_t offset) {
  const wax_t *w = device;
  note(" r", offset, "", 0);
  return w->registers[offset / 4];
}

static void end_job(wax_t *w) {
  uint32_t *status = &w->registers[EDGE_ETHOSU_REG_STATUS / 4];
  *status = (*status & ~EDGE_ETHOSU_STATUS_RUNNING) | w->outcome;
}

static void wax_reset(wax_t *w, uint32_t level) {
  w->registers[EDGE_ETHOSU_REG_STATUS / 4] = w->reset_hangs ? EDGE_ETHOSU_STATUS_RESET : 0;
  w->registers[EDGE_ETHOSU_REG_PROT / 4] = level | w->level_stuck;
}

static void wax_command(wax_t *w, uint32_t command) {
  uint32_t *status = &w->registers[EDGE_ETHOSU_REG_STATUS / 4];
  if ((command & EDGE_ETHOSU_CMD_CLEAR_IRQ) != 0) {
    *status &= ~EDGE_ETHOSU_STATUS_IRQ;
  }
  if ((command & EDGE_ETHOSU_CMD_RUN) != 0) {
    *status |= EDGE_ETHOSU_STATUS_RUNNING;
    if (w->waits == 0 && !w->never) {
      end_job(w);
    }
  }
}

static void wax_write(void *device, uint32_t offset, uint32_t value) {
  wax_t *w = device;
  note(" w", offset, "=", value);
  if (offset == EDGE_ETHOSU_REG_RESET) {
    wax_reset(w, value);
  } else if (offset == EDGE_ETHOSU_REG_CMD) {
    wax_command(w, value);
  } else {
    w->registers[offset / 4] = value;
  }
}

static bool wax_wait(void *device) {
  wax_t *w = device;
  if (!quiet) {
    say(" wait");
  }
  if (w->never) {
    return false;
  }
  if (--w->waits == 0) {
    end_job(w);
  }
  return true;
}

static bool wax_wait_in_vain(void *device) {
  (void)device;
  return true;
}

static uint32_t place(const void *data) {
  const uintptr_t at = (uintptr_t)data, section = (uintptr_t)section_start;
  return at >= section && at < (uintptr_t)section_end ? (uint32_t)(SECTIONS + at - section)
                                                      : (uint32_t)(at - (uintptr_t)arena);
}

static uint64_t wax_address(void *device, const void *data) {
  return ((const wax_t *)device)->base + place(data);
}

static void wax_clean(void *device, const void *data, uint32_t bytes) {
  (void)device;
  note(" clean:", place(data), "+", bytes);
}

static void wax_drop(void *device, void *data, uint32_t bytes) {
  (void)device;
  note(" drop:", place(data), "+", bytes);
}

/* A new NPU, as after power-on, whose jobs end well. */
static edge_npu_t fresh(void) {
  memset(&wax, 0, sizeof wax);
  quiet = false;
  wax.outcome = EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_END;
  wax.base = BASE;
  wax.registers[EDGE_ETHOSU_REG_PROT / 4] = EDGE_ETHOSU_PROT_PRIVILEGED;
  wax.registers[EDGE_ETHOSU_REG_CONFIG / 4] = CONFIG;
  wax.registers[EDGE_ETHOSU_REG_ID / 4] = ID;
  wax.registers[EDGE_ETHOSU_REG_PMCCNTR_LO / 4] = 0x10;
  wax.registers[EDGE_ETHOSU_REG_PMCCNTR_HI / 4] = 0x2;
  for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
    wax.registers[EDGE_ETHOSU_REG_PMEVCNTR(i) / 4] = 0x100 + i;
  }
  return (edge_npu_t){.device = &wax,
                      .read = wax_read,
                      .write = wax_write,
                      .wait = wax_wait,
                      .address = wax_address,
                      .clean = wax_clean,
                      .invalidate = wax_drop,
                      .protection = EDGE_ETHOSU_PROT_PRIVILEGED,
                      .queue_config = 2,
                      .region_config = 0x13,
                      .axi_limit = {0x11, 0x22, 0x33, 0x44}};
}

/* Stream, weights, scratch in the arena; the fast scratch is the scratch. */
static edge_ethosu_job_t usual_job(void) {
  return (edge_ethosu_job_t){
      .stream = (const uint32_t *)(const void *)arena,
      .stream_bytes = 0x24,
      .config = CONFIG,
      .regions = {{arena + 0x100, 0x80}, {arena + 0x200, 0x88}, {arena + 0x200, 0x88}}};
}

static void tell(const char *name, edge_status_t status) {
  say(" -> ");
  if (status < 0) {
    say("-");
  }
  say_number((uint32_t)(status < 0 ? -status : status));
  say("\n");
  print(name);
  print(":");
  print(wax.log);
  wax.used = 0;
  memset(wax.log, 0, sizeof wax.log);
}

static void run_job(const char *name, edge_npu_t *npu, const edge_ethosu_job_t *job) {
  tell(name, edge_ethosu_run(npu, job));
}

static void good_jobs(void) {
  edge_npu_t npu = fresh();
  edge_ethosu_job_t job = usual_job();
  run_job("ends-at-once", &npu, &job);
  wax.waits = 3;
  run_job("third-wait", &npu, &job);
  note(" ", (uint32_t)(npu.counts.cycles >> 32), " ", (uint32_t)npu.counts.cycles);
  for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
    note(" ", (uint32_t)npu.counts.events[i], "", 0);
  }
  tell("counts", (edge_status_t)npu.counts.jobs);
  job.regions[2] = (edge_ethosu_region_t){arena + 0x400, 0x20};
  run_job("own-fast", &npu, &job);
  job.regions[0] = (edge_ethosu_region_t){NULL, 0};
  job.config = 0x10003008u;
  wax.base = 0xff00000000u;
  run_job("wide-address", &npu, &job);
  npu.clean = NULL;
  npu.invalidate = NULL;
  npu.address = NULL;
  quiet = true;
  run_job("plain", &npu, &job);
}

/* Every bit of STATUS that can go wrong, alone and with a raised end. */
static void error_bits(void) {
  static const uint32_t bits[] = {EDGE_ETHOSU_STATUS_BUS,
                                  EDGE_ETHOSU_STATUS_PARSE,
                                  EDGE_ETHOSU_STATUS_WATCHDOG,
                                  EDGE_ETHOSU_STATUS_ECC,
                                  EDGE_ETHOSU_STATUS_RESET,
                                  EDGE_ETHOSU_STATUS_RUNNING,
                                  0};
  const edge_ethosu_job_t job = usual_job();
  for (uint32_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
    edge_npu_t npu = fresh();
    quiet = true;
    const uint32_t end = bits[i] == 0 ? 0 : EDGE_ETHOSU_STATUS_END;
    wax.outcome = EDGE_ETHOSU_STATUS_IRQ | bits[i] | end;
    const edge_status_t status = edge_ethosu_run(&npu, &job);
    say(" ");
    say_hex(bits[i]);
    say(npu.counts.jobs == 0 ? " not counted" : " counted");
    tell("error", status);
    wax.outcome = EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_END;
    run_job("next", &npu, &job);
  }
  edge_npu_t npu = fresh();
  wax.outcome = EDGE_ETHOSU_STATUS_IRQ | EDGE_ETHOSU_STATUS_BUS;
  run_job("bus", &npu, &job);
}

static void endless_jobs(void) {
  edge_npu_t npu = fresh();
  const edge_ethosu_job_t job = usual_job();
  wax.never = true;
  run_job("limit", &npu, &job);
  wax.never = false;
  wax.reset_hangs = true;
  wax.outcome |= EDGE_ETHOSU_STATUS_ECC;
  quiet = true;
  run_job("hangs", &npu, &job);
  run_job("hangs-on", &npu, &job);
  npu = fresh();
  quiet = true;
  wax.never = true;
  npu.wait = wax_wait_in_vain;
  run_job("wakes", &npu, &job);
}

static void levels(void) {
  edge_npu_t npu = fresh();
  const edge_ethosu_job_t job = usual_job();
  tell("level", edge_ethosu_reset(&npu));
  wax.level_stuck = EDGE_ETHOSU_PROT_NON_SECURE;
  tell("level-non-secure", edge_ethosu_reset(&npu));
  npu.protection = EDGE_ETHOSU_PROT_NON_SECURE;
  tell("level-asked", edge_ethosu_reset(&npu));
  wax.level_stuck = EDGE_ETHOSU_PROT_PRIVILEGED;
  wax.registers[EDGE_ETHOSU_REG_STATUS / 4] = EDGE_ETHOSU_STATUS_RUNNING;
  run_job("level-job", &npu, &job);
  run_job("level-job-again", &npu, &job);
  wax.level_stuck = 0;
  run_job("level-back", &npu, &job);
  wax.registers[EDGE_ETHOSU_REG_STATUS / 4] = EDGE_ETHOSU_STATUS_RUNNING;
  run_job("left-running", &npu, &job);
}

static void identities(void) {
  static const uint32_t others[][2] = {
      {CONFIG, ID},           {CONFIG ^ 0x1, ID},        {CONFIG ^ 0x10, ID},
      {CONFIG ^ 0x100, ID},   {CONFIG ^ 0x10000000, ID}, {CONFIG | 0x08000000, ID},
      {CONFIG | 0x10000, ID}, {CONFIG, ID + 0x10000000}, {CONFIG, ID + 0x00100000},
      {CONFIG, ID - 0x10000}};
  for (uint32_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    edge_npu_t npu = fresh();
    tell("identity", edge_ethosu_identify(&npu, others[i][0], others[i][1]));
  }
  edge_npu_t npu = fresh();
  wax.registers[EDGE_ETHOSU_REG_CONFIG / 4] |= 0x08000000;
  wax.registers[EDGE_ETHOSU_REG_ID / 4] += 0x00100000;
  tell("identity-more", edge_ethosu_identify(&npu, CONFIG, ID));
}

static void try_base(const char *name, uint64_t base, uint32_t config) {
  edge_npu_t npu = fresh();
  edge_ethosu_job_t job = usual_job();
  wax.base = base;
  job.config = config;
  quiet = true;
  const edge_status_t status = edge_ethosu_run(&npu, &job);
  if (status == EDGE_NPU_BOUNDS && wax.registers[EDGE_ETHOSU_REG_QSIZE / 4] == 0) {
    say(" untouched");
  }
  tell(name, status);
}

/* The last byte of the scratch is at 0x287. */
static void addresses(void) {
  const uint32_t u65 = 0x10003008u;
  try_base("32-bits", 0xfffffd70u, CONFIG);
  try_base("32-bits-end", 0xfffffd80u, CONFIG);
  try_base("33-bits", 0x100000000u, CONFIG);
  try_base("40-bits", 0xfffffffd70u, u65);
  try_base("40-bits-end", 0xfffffffd80u, u65);
  try_base("odd", BASE + 8, CONFIG);
  edge_npu_t npu = fresh();
  edge_ethosu_job_t job = usual_job();
  job.regions[0].data = arena + 0x108;
  run_job("odd-weights", &npu, &job);
}

static void attach(const char *name, edge_graph_t *graph, edge_npu_t *npu) {
  tell(name, edge_graph_attach(graph, npu));
}

static void invoke(const char *name, edge_graph_t *graph) { tell(name, edge_graph_invoke(graph)); }

/* A graph with two steps for the NPU. */
static void graphs(void) {
  edge_graph_t graph;
  edge_npu_t npu = fresh();
  tell("open", edge_graph_open(&graph, section_start, (uint32_t)(section_end - section_start)));
  tell("bind", edge_graph_bind(&graph, arena, arena + sizeof arena / 2));
  invoke("unattached", &graph);
  attach("no-npu", &graph, NULL);
  attach("attach", &graph, &npu);
  invoke("invoke", &graph);
  wax.registers[EDGE_ETHOSU_REG_CONFIG / 4] ^= 1;
  attach("other-npu", &graph, &npu);
  invoke("detached", &graph);
  npu = fresh();
  wax.level_stuck = EDGE_ETHOSU_PROT_NON_SECURE;
  attach("other-level", &graph, &npu);
  npu.clean = NULL;
  wax.level_stuck = 0;
  attach("no-cache", &graph, &npu);
}

void run(void) {
  graphs();
  good_jobs();
  error_bits();
  endless_jobs();
  levels();
  identities();
  addresses();
}
