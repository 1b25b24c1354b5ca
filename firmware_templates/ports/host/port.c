/* The firmware as a process: frames on standard input and output, diagnostics on standard error.
 * Usage: firmware [IMAGE [CAUSE KIND ADDRESS]]; the last three are how it starts itself again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "edge/port.h"
#include "edge_board.h"
#include "npu.h"
#include "session.h"

#define STACK_PAINT 0xA5u
#define RECEIVE_BYTES 2048u /* where the size of the pipe is not known: half a page */
#define EXIT_NO_IMAGE 2
#define EXIT_CANNOT_START 70

static _Alignas(64) uint8_t model_region[EDGE_MODEL_BYTES];
static _Alignas(64) uint8_t workspace_region[EDGE_WORKSPACE_BYTES];
static _Alignas(4096) uint8_t stack_region[EDGE_STACK_BYTES];
static uint8_t signal_stack[65536];
static edge_session_t session;

static const char *image_path = "";
static edge_boot_cause_t boot_cause;
static edge_fault_t boot_fault;
static int counter = -1; /* of perf, or -1 where the machine does not let us count */
static uint64_t paused_at, excluded;
static uint32_t receive_high_water;
static volatile sig_atomic_t received_any;

/* Decimal text of a number without stdio, which a signal handler may not use. */
static char *write_number(char *end, uint64_t value) {
  *--end = '\0';
  do {
    *--end = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  return end;
}

static _Noreturn void start_again(edge_boot_cause_t cause, uint64_t kind, uint64_t address) {
  char numbers[3][24];
  char *const arguments[] = {"firmware",
                             (char *)image_path,
                             write_number(numbers[0] + 24, (uint64_t)cause),
                             write_number(numbers[1] + 24, kind),
                             write_number(numbers[2] + 24, address),
                             NULL};
  execv("/proc/self/exe", arguments);
  _exit(EXIT_CANNOT_START);
}

/* A fault before any message would only repeat itself. */
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  if (boot_cause == EDGE_BOOT_FAULT && !received_any) {
    _exit(EXIT_CANNOT_START);
  }
  start_again(EDGE_BOOT_FAULT, (uint64_t)number, (uint32_t)(uintptr_t)info->si_addr);
}

static void catch_faults(void) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  const stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigset_t unblocked;
  sigemptyset(&unblocked);
  sigaltstack(&stack, NULL);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    sigaddset(&unblocked, faults[i]);
    sigaction(faults[i], &action, NULL);
  }
  pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
}

/* Counts this thread's user-mode instructions, where the kernel and the processor offer it. */
static void open_counter(void) {
  struct perf_event_attr attributes = {
      .type = PERF_TYPE_HARDWARE,
      .size = sizeof attributes,
      .config = PERF_COUNT_HW_INSTRUCTIONS,
      .exclude_kernel = 1,
      .exclude_hv = 1,
  };
  counter = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t read_counter(void) {
  uint64_t count = 0;
  if (counter < 0 || read(counter, &count, sizeof count) != (ssize_t)sizeof count) {
    return 0;
  }
  return count;
}

uint64_t edge_port_clock(void) { return read_counter() - excluded; }

void edge_port_clock_pause(void) { paused_at = read_counter(); }

void edge_port_clock_resume(void) { excluded += read_counter() - paused_at; }

/* A pipe keeps whole pages and begins a new one for a write that does not fit into the last, so
 * at worst it is full when half of it is used (pipe(7)). */
static uint32_t receive_bytes(void) {
  const int size = fcntl(STDIN_FILENO, F_GETPIPE_SZ);
  return size > 0 ? (uint32_t)size / 2u : RECEIVE_BYTES;
}

void edge_port_init(edge_port_info_t *info) {
  catch_faults();
  open_counter();
  *info = (edge_port_info_t){
      .board = EDGE_BOARD_NAME,
      .firmware_id = EDGE_FIRMWARE_ID,
      .clock_kind = counter < 0 ? EDGE_CLOCK_NONE : EDGE_CLOCK_INSTRUCTIONS,
      .model = model_region,
      .model_bytes = sizeof model_region,
      .workspace = workspace_region,
      .workspace_bytes = sizeof workspace_region,
      .receive_bytes = receive_bytes(),
      .boot_cause = boot_cause,
      .fault = boot_fault,
  };
#ifdef EDGE_NPU_CONFIG_WORD
  info->npu = edge_host_npu(info);
#endif
}

/* The host has gone: so do we. */
static _Noreturn void end(void) { _exit(0); }

uint32_t edge_port_read(uint8_t *data, uint32_t capacity) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  int waiting = 0;
  if (poll(&input, 1, 0) <= 0) {
    return 0;
  }
  if (ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && (uint32_t)waiting > receive_high_water) {
    receive_high_water = (uint32_t)waiting;
  }
  const ssize_t size = read(STDIN_FILENO, data, capacity);
  if (size <= 0 && errno != EINTR && errno != EAGAIN) {
    end();
  }
  if (size == 0) {
    end();
  }
  received_any = 1;
  return size < 0 ? 0 : (uint32_t)size;
}

void edge_port_write(const uint8_t *data, uint32_t size) {
  while (size > 0) {
    const ssize_t written = write(STDOUT_FILENO, data, size);
    if (written < 0 && errno != EINTR) {
      end();
    }
    if (written > 0) {
      data += written;
      size -= (uint32_t)written;
    }
  }
}

void edge_port_idle(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  poll(&input, 1, -1);
}

void edge_port_usage(edge_port_usage_t *usage) {
  uint32_t untouched = 0;
  while (untouched < sizeof stack_region && stack_region[untouched] == STACK_PAINT) {
    untouched++;
  }
  *usage = (edge_port_usage_t){
      .stack_bytes = sizeof stack_region,
      .stack_high_water = (uint32_t)sizeof stack_region - untouched,
      .receive_high_water = receive_high_water,
  };
}

void edge_port_reboot(void) { start_again(EDGE_BOOT_REQUESTED, 0, 0); }

static void load_image(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "firmware: cannot read %s: %s\n", path, strerror(errno));
    exit(EXIT_NO_IMAGE);
  }
  const size_t size = fread(model_region, 1, sizeof model_region, file);
  fclose(file);
  (void)size; /* an image that is too long for the region fails its own check */
}

static void *run(void *unused) {
  (void)unused;
  edge_session_run(&session);
}

int main(int count, char **arguments) {
  pthread_t thread;
  pthread_attr_t attributes;
  signal(SIGPIPE, SIG_IGN);
  if (count > 1) {
    image_path = arguments[1];
  }
  if (count > 4) {
    boot_cause = (edge_boot_cause_t)strtoul(arguments[2], NULL, 10);
    boot_fault.kind = (uint32_t)strtoul(arguments[3], NULL, 10);
    boot_fault.address = (uint32_t)strtoul(arguments[4], NULL, 10);
  }
  if (image_path[0] != '\0') {
    load_image(image_path);
  }
  memset(stack_region, STACK_PAINT, sizeof stack_region);
  pthread_attr_init(&attributes);
  if (pthread_attr_setstack(&attributes, stack_region, sizeof stack_region) != 0 ||
      pthread_create(&thread, &attributes, run, NULL) != 0) {
    return EXIT_CANNOT_START;
  }
  pthread_join(thread, NULL);
  return EXIT_CANNOT_START;
}
