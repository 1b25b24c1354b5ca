/* Seeded fuzzer of MLPerf Tiny's protocol: fuzz_mlperf_tiny IMAGE WORKSPACE_BYTES SEED ROUNDS.
 * The workspace and every piece of input are malloc'ed to their exact sizes. Whatever comes, each
 * terminator gets one m-ready, lines are plain text, and a clean command afterwards works. Decimals
 * are printf's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define SAID_MAX 262144u
#define CLOCK_HZ 3000001u

static uint32_t state;
static uint8_t *image, *workspace;
static uint32_t image_bytes, workspace_bytes;
static char said[SAID_MAX + 1u];
static uint32_t said_bytes;
static uint32_t inferences, refusals;
static uint64_t now;

static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static void fail(const char *what) {
  printf("%s\n%s\n", what, said);
  exit(1);
}

void edge_port_init(edge_port_info_t *info) {
  *info = (edge_port_info_t){.board = "fuzz",
                             .firmware_id = "0",
                             .clock_kind = EDGE_CLOCK_CYCLES,
                             .clock_hz = CLOCK_HZ,
                             .model = image,
                             .model_bytes = image_bytes,
                             .workspace = workspace,
                             .workspace_bytes = workspace_bytes};
}

uint64_t edge_port_clock(void) { return now; }
void edge_port_clock_pause(void) {}
void edge_port_clock_resume(void) {}
uint32_t edge_port_read(uint8_t *data, uint32_t capacity) { return data == NULL ? capacity : 0; }
void edge_port_idle(void) { exit(1); }

void edge_port_write(const uint8_t *data, uint32_t size) {
  if (size > SAID_MAX - said_bytes) {
    fail("too many words");
  }
  memcpy(said + said_bytes, data, size);
  said_bytes += size;
  said[said_bytes] = '\0';
}

static uint32_t count(const char *what) {
  uint32_t found = 0;
  for (const char *at = said; (at = strstr(at, what)) != NULL; at++) {
    found++;
  }
  return found;
}

static void hear(edge_session_t *session, const char *data, uint32_t size) {
  said_bytes = 0;
  said[0] = '\0';
  while (size > 0) {
    const uint32_t piece = 1 + draw(size < 40 ? size : 40);
    uint8_t *copy = malloc(piece);
    memcpy(copy, data, piece);
    edge_session_receive(session, copy, piece);
    free(copy);
    data += piece;
    size -= piece;
  }
  for (uint32_t i = 0; i < said_bytes; i++) {
    if ((said[i] < ' ' || said[i] > '~') && said[i] != '\r' && said[i] != '\n') {
      fail("not plain text");
    }
  }
}

static uint32_t write_hex(char *to, uint32_t bytes) {
  uint32_t used = 0;
  for (; used < 2 * bytes; used++) {
    to[used] = "0123456789abcdefABCDEF"[draw(22)];
  }
  return used;
}

/* A command that makes sense, mostly; 300 characters at most. */
static uint32_t write_command(char *to, const edge_session_t *session) {
  static const char *const words[] = {"name", "profile", "timestamp", "help",  "results",
                                      "db",   "load",    "print",     "infer", "%",
                                      " ",    "~",       "]",         "-1",    "1e9"};
  const uint32_t left = session->announced - session->received;
  uint32_t used = 0;
  switch (draw(8)) {
  case 0:
    return (uint32_t)sprintf(to, "db load %u%%", draw(session->model.loaded_bytes + 3));
  case 1:
    return (uint32_t)sprintf(to, "infer %u %u%%", draw(4), draw(3));
  case 2:
    return (uint32_t)sprintf(to, "db print %u %u%%", draw(20), draw(20));
  case 3:
  case 4:
    used = (uint32_t)sprintf(to, "db ");
    used += write_hex(to + used, draw(8) == 0 ? draw(140) : left > 120 ? 120 : left);
    to[used++] = '%';
    return used;
  case 5:
    for (uint32_t i = draw(6); i > 0; i--) {
      used += (uint32_t)sprintf(to + used, "%s ", words[draw(15)]);
    }
    to[used++] = '%';
    return used;
  case 6:
    return (uint32_t)sprintf(to, "%s%%", words[draw(9)]);
  default:
    for (uint32_t i = draw(300); i > 0; i--) {
      to[used++] = (char)draw(256);
    }
    return used;
  }
}

/* The answer of a device that was told everything from the start. */
static void check_alive(edge_session_t *session, char *results) {
  static char text[8192];
  uint32_t used = (uint32_t)sprintf(text, "%%db load %u%%", session->model.loaded_bytes);
  for (uint32_t i = 0; i < session->model.loaded_bytes; i += 8) {
    used += (uint32_t)sprintf(text + used, "db 0000a0410000a0c1%%");
  }
  used += (uint32_t)sprintf(text + used, "infer 1 0%%");
  hear(session, text, used);
  const char *found = strstr(said, "m-results-[");
  if (found == NULL || count("m-load-done") != 1) {
    fail("no results");
  }
  if (results[0] == '\0') {
    strcpy(results, found);
  } else if (strcmp(results, found) != 0) {
    fail("other results");
  }
}

/* Microseconds of any count, without overflow. */
static void check_lap(edge_session_t *session) {
  char expected[80];
  now = ((uint64_t)draw(1u << 31) << 32 | draw(1u << 31)) >> draw(63);
  const uint64_t seconds = now / CLOCK_HZ;
  const long double rest = (long double)(now % CLOCK_HZ) * 1e6L / CLOCK_HZ;
  hear(session, "%timestamp%", 11);
  sprintf(expected, "m-ready\r\nm-lap-us-%llu\r\nm-ready\r\n",
          (unsigned long long)(seconds * 1000000u + (uint64_t)rest));
  if (strstr(said, expected) == NULL) {
    fail(expected);
  }
}

static void check_decimal(void) {
  edge_reply_t reply = {.used = 0};
  char expected[80];
  uint32_t bits = draw(1u << 16) << 16 | draw(1u << 16);
  float value;
  if (draw(2) == 0) { /* ties */
    value = (float)draw(1u << 16) / (float)(1u << draw(17));
  } else {
    memcpy(&value, &bits, sizeof value);
  }
  const uint32_t decimals = draw(10);
  said_bytes = 0;
  edge_reply_decimal(&reply, value, decimals);
  edge_reply_end(&reply);
  if (fabsf(value) >= 9223372036854775808.0f) {
    sprintf(expected, value < 0 ? "-inf\r\n" : "inf\r\n");
  } else if (isnan(value)) {
    sprintf(expected, "nan\r\n");
  } else {
    sprintf(expected, "%.*f\r\n", (int)decimals, (double)value);
  }
  if (strcmp(said, expected) != 0) {
    fail(expected);
  }
}

static void read_image(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    exit(2);
  }
  image_bytes = (uint32_t)ftell(file);
  image = aligned_alloc(16, (image_bytes + 15u) & ~15u);
  rewind(file);
  if (fread(image, 1, image_bytes, file) != image_bytes) {
    exit(2);
  }
  fclose(file);
}

int main(int argument_count, char **arguments) {
  static edge_session_t session;
  static char stream[8 * 400], results[SAID_MAX + 1u];
  if (argument_count != 5) {
    return 2;
  }
  read_image(arguments[1]);
  workspace_bytes = (uint32_t)strtoul(arguments[2], NULL, 10);
  workspace = malloc(workspace_bytes); /* of 16-byte alignment, as all of malloc's */
  state = (uint32_t)strtoul(arguments[3], NULL, 10) | 1u;
  edge_session_begin(&session);
  check_alive(&session, results);
  for (uint32_t round = (uint32_t)strtoul(arguments[4], NULL, 10); round > 0; round--) {
    uint32_t used = 0, ends = 0;
    for (uint32_t i = 1 + draw(6); i > 0; i--) {
      used += write_command(stream + used, &session);
    }
    for (uint32_t i = draw(3); i > 0 && used > 0; i--) {
      stream[draw(used)] = (char)draw(256);
    }
    for (uint32_t i = 0; i < used; i++) {
      ends += stream[i] == '%';
    }
    hear(&session, stream, used);
    if (count("m-ready\r\n") != ends) {
      fail("not one m-ready for each terminator");
    }
    inferences += count("m-infer-done");
    refusals += count("e-[");
    if (round % 16 == 0) {
      check_alive(&session, results);
    }
    check_lap(&session);
    check_decimal();
  }
  printf("%u %u\n", inferences, refusals);
  return 0;
}
