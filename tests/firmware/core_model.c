// cortex_m/core.c in a process: its registers are memory, and of what it says to the processor
// itself the sleep and the interrupts around it are noted. The source is the file SOURCE.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t registers[0x1000]; // of the system control space
static char steps[64];

static volatile uint32_t *model_register(uint32_t address) {
  return &registers[address / 4u % 0x1000u];
}

static void note(const char *step) { strncat(steps, step, sizeof steps - strlen(steps) - 1); }

static void model_tell(const char *code) {
  note(strstr(code, "cpsid") != NULL ? "off " : "");
  note(strstr(code, "wfi") != NULL ? "sleep " : "");
  note(strstr(code, "cpsie") != NULL ? "on " : "");
}

#define __asm__
#define volatile(...) model_tell(#__VA_ARGS__)
#define naked noinline

#include SOURCE

uint32_t edge_stack_limit[1], edge_stack_top[1];

void edge_setup_run(void) {}
void edge_bare_start(void) {}
void edge_bare_run(void) { abort(); }
void edge_bare_fault(const edge_fault_t *fault) {
  (void)fault;
  abort();
}

static bool model_has;

static bool ask(void) {
  note("ask ");
  return model_has;
}

/* One rest: what it did, in order. `kind` 0: for time, 1: nothing has come, 2: something has. */
const char *model_rest(int kind, uint32_t *cycles) {
  steps[0] = '\0';
  model_has = kind == 2;
  *cycles = edge_core_rest(kind == 0 ? NULL : ask);
  return steps;
}
