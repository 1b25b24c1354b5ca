#include "session.h"

#include <stddef.h>
#include <string.h>

#define TERMINATOR '%'
#define FRAME_FLAG '~' /* 0x7E: begins and ends the frames of edgesdk's own protocol */
#define WORDS_MAX 4u   /* of a command */
#define WORD_SHOWN 32u /* characters of a word that an error repeats */
#define COUNT_DIGITS 7u
#define COUNT_MAX 1000000u /* inferences, or warm-ups, of one command */
#define DEFAULT_INFERENCES 1u
#define DEFAULT_WARMUPS 10u
#define BYTES_PER_LINE 8u /* that `db print` shows */

#define PROFILE "ULPMark for tinyML Firmware V0.0.1" /* by which runners know the protocol */

typedef struct words {
  char *word[WORDS_MAX + 1u];
  uint32_t count; /* WORDS_MAX + 1: too many */
} words_t;

/* A whole line. */
static void say(edge_session_t *session, const char *line) {
  edge_reply_text(&session->reply, line);
  edge_reply_end(&session->reply);
}

/* A line around a number. */
static void say_number(edge_session_t *session, const char *before, uint64_t value,
                       const char *after) {
  edge_reply_text(&session->reply, before);
  edge_reply_number(&session->reply, value);
  say(session, after);
}

/* A line around a word of the host's, without what could end a line, brackets or an answer. */
static void say_word(edge_session_t *session, const char *before, const char *word) {
  char shown[WORD_SHOWN + 1u];
  uint32_t used = 0;
  for (; word[used] != '\0' && used < WORD_SHOWN; used++) {
    const bool plain =
        word[used] > ' ' && word[used] < 0x7F && word[used] != ']' && word[used] != '-';
    shown[used] = plain ? word[used] : '?';
  }
  shown[used] = '\0';
  edge_reply_text(&session->reply, before);
  edge_reply_text(&session->reply, shown);
  say(session, word[used] == '\0' ? "]" : "...]");
}

/* Words of a line, which are cut out of it in place. */
static words_t split(char *line) {
  words_t words = {.count = 0};
  while (words.count <= WORDS_MAX) {
    while (*line == ' ') {
      *line++ = '\0';
    }
    if (*line == '\0') {
      break;
    }
    words.word[words.count++] = line;
    while (*line != '\0' && *line != ' ') {
      line++;
    }
  }
  return words;
}

/* A decimal number of at most 7 digits, or an error to the host. */
static bool read_number(edge_session_t *session, const char *word, uint32_t *value) {
  const size_t length = strlen(word);
  *value = 0;
  for (size_t i = 0; i < length; i++) {
    if (word[i] < '0' || word[i] > '9' || length > COUNT_DIGITS) {
      say_word(session, "e-[No number of 1 to 7 digits: ", word);
      return false;
    }
    *value = *value * 10u + (uint32_t)(word[i] - '0');
  }
  return true;
}

static bool expect_model(edge_session_t *session) {
  if (session->model_status != EDGE_OK) {
    edge_reply_text(&session->reply, "e-[No model: ");
    edge_reply_text(&session->reply, edge_status_text(session->model_status));
    say(session, "]");
  }
  return session->model_status == EDGE_OK;
}

static void forget_bytes(edge_session_t *session) {
  session->announced = session->received = 0;
  session->has_results = false;
}

/* Microseconds; counts where the clock tells no time. */
static void say_lap(edge_session_t *session, uint64_t count) {
  const uint64_t hz = session->port.clock_hz;
  say_number(session, "m-lap-us-",
             hz == 0 ? count : count / hz * 1000000u + count % hz * 1000000u / hz, "");
}

/* Before laps that are no time. */
static void say_clock(edge_session_t *session) {
  if (session->port.clock_hz != 0) {
    return;
  }
  say(session, session->port.clock_kind == EDGE_CLOCK_NONE
                   ? "m-[No clock: lap-us stands still]"
                   : "m-[No time: lap-us counts instructions]");
}

static void do_name(edge_session_t *session, const words_t *words) {
  (void)words;
  edge_reply_text(&session->reply, "m-name-dut-[edgesdk ");
  edge_reply_text(&session->reply, session->port.board);
  if (session->port.clock_hz == 0) {
    edge_reply_text(&session->reply, ", lap-us is no time");
  }
  say(session, "]");
}

static void do_profile(edge_session_t *session, const words_t *words) {
  (void)words;
  say(session, "m-profile-[" PROFILE "]");
  edge_reply_text(&session->reply, "m-model-[");
  edge_reply_text(&session->reply, session->model_status == EDGE_OK ? session->model.id : "none");
  say(session, "]");
  edge_reply_text(&session->reply, "m-[Firmware ");
  edge_reply_text(&session->reply, session->port.firmware_id);
  say(session, "]");
}

static void do_timestamp(edge_session_t *session, const words_t *words) {
  (void)words;
  say_clock(session);
  say_lap(session, edge_port_clock());
}

static void do_help(edge_session_t *session, const words_t *words) {
  (void)words;
  say(session, PROFILE ", spoken by edgesdk");
  say(session, "name, profile, timestamp, help");
  say(session, "db load N          expect N bytes of input");
  say(session, "db HH...           the next bytes, two hex digits each");
  say(session, "db print [N [AT]]  show N bytes from AT on, all without N");
  say(session, "infer [N [W]]      N inferences (1) after W warm-ups (10)");
  say(session, "results            of the last inference");
}

static void do_results(edge_session_t *session, const words_t *words) {
  (void)words;
  if (!session->has_results) {
    say(session, "e-[No results: infer first]");
    return;
  }
  edge_reply_text(&session->reply, "m-results-[");
  edge_model_tell(&session->model, &session->reply);
  say(session, "]");
}

static void load(edge_session_t *session, const char *word) {
  uint32_t bytes = 0;
  const uint32_t most = session->model.loaded_bytes;
  forget_bytes(session);
  if (!read_number(session, word, &bytes)) {
    return;
  }
  if (bytes == 0 || bytes > most) {
    say_number(session, "e-[db load takes 1 to ", most, " bytes of this model]");
    return;
  }
  session->announced = bytes;
  say_number(session, "m-[Expecting ", bytes, " bytes]");
}

/* At most 8 bytes a line. */
static void print(edge_session_t *session, uint32_t count, uint32_t first) {
  for (uint32_t i = 0; i < count; i++) {
    edge_reply_text(&session->reply, i % BYTES_PER_LINE == 0 ? "m-buffer-" : "-");
    edge_reply_hex(&session->reply, edge_model_get(&session->model, first + i));
    if ((i + 1u) % BYTES_PER_LINE == 0 || i + 1u == count) {
      say(session, "");
    }
  }
}

static void do_print(edge_session_t *session, const words_t *words) {
  uint32_t first = 0, count = session->received;
  if ((words->count > 2 && !read_number(session, words->word[2], &count)) ||
      (words->count > 3 && !read_number(session, words->word[3], &first))) {
    return;
  }
  if (first > session->received || count > session->received - first) {
    say_number(session, "e-[Only ", session->received, " bytes are loaded]");
    return;
  }
  print(session, count, first);
}

/* Value of a hex digit, 16 where it is none. */
static uint32_t hex_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return (uint32_t)(digit - '0');
  }
  if (digit >= 'a' && digit <= 'f') {
    return (uint32_t)(digit - 'a') + 10u;
  }
  return digit >= 'A' && digit <= 'F' ? (uint32_t)(digit - 'A') + 10u : 16u;
}

/* The next bytes: all of them, or none. */
static void take(edge_session_t *session, const char *digits) {
  const size_t count = strlen(digits);
  const uint32_t left = session->announced - session->received;
  for (size_t i = 0; i < count; i++) {
    if (hex_value(digits[i]) > 15u) {
      say_word(session, "e-[No hex digits: ", digits);
      return;
    }
  }
  if (count % 2u != 0) {
    say(session, "e-[Odd number of hex digits]");
    return;
  }
  if (count / 2u > left) {
    say_number(session, "e-[More bytes than the ", left, " that db load still expects]");
    return;
  }
  for (size_t i = 0; i < count; i += 2) {
    const uint32_t byte = hex_value(digits[i]) << 4 | hex_value(digits[i + 1]);
    edge_model_put(&session->model, session->received++, (uint8_t)byte);
  }
  if (session->received == session->announced) {
    say(session, "m-load-done");
  }
}

static void do_db(edge_session_t *session, const words_t *words) {
  if (!expect_model(session)) {
    return;
  }
  const char *what = words->word[1];
  if (strcmp(what, "load") == 0 && words->count == 3) {
    load(session, words->word[2]);
  } else if (strcmp(what, "print") == 0) {
    do_print(session, words);
  } else if (words->count == 2 && strcmp(what, "load") != 0) {
    take(session, what);
  } else {
    say(session, "e-[Wrong words after db: see help]");
  }
}

static bool infer(edge_session_t *session, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const edge_status_t status = edge_model_infer(&session->model);
    if (status != EDGE_OK) {
      edge_reply_text(&session->reply, "e-[Inference failed: ");
      edge_reply_text(&session->reply, edge_status_text(status));
      say(session, "]");
      return false;
    }
  }
  return true;
}

/* Between the laps lies nothing but the inferences: the clock stands while the first is sent. */
static void run(edge_session_t *session, uint32_t inferences, uint32_t warmups) {
  session->has_results = false;
  edge_model_prepare(&session->model);
  say_number(session, "m-warmup-start-", warmups, "");
  if (!infer(session, warmups)) {
    return;
  }
  say(session, "m-warmup-done");
  say_number(session, "m-infer-start-", inferences, "");
  say_clock(session);
  const uint64_t begin = edge_port_clock();
  edge_port_clock_pause();
  say_lap(session, begin);
  edge_port_clock_resume();
  session->has_results = infer(session, inferences);
  const uint64_t end = edge_port_clock();
  if (session->has_results) {
    say_lap(session, end);
    say(session, "m-infer-done");
    do_results(session, NULL);
  }
}

static void do_infer(edge_session_t *session, const words_t *words) {
  uint32_t inferences = DEFAULT_INFERENCES, warmups = DEFAULT_WARMUPS;
  if ((words->count > 1 && !read_number(session, words->word[1], &inferences)) ||
      (words->count > 2 && !read_number(session, words->word[2], &warmups))) {
    return;
  }
  if (inferences == 0 || inferences > COUNT_MAX || warmups > COUNT_MAX) {
    say_number(session, "e-[infer takes 1 to ", COUNT_MAX, " inferences, and no more warm-ups]");
    return;
  }
  if (!expect_model(session)) {
    return;
  }
  if (session->received != session->model.loaded_bytes) {
    edge_reply_text(&session->reply, "e-[The model takes ");
    edge_reply_number(&session->reply, session->model.loaded_bytes);
    say_number(session, " bytes, ", session->received, " are loaded]");
    return;
  }
  run(session, inferences, warmups);
}

static const struct {
  const char *name;
  uint32_t least, most; /* words */
  void (*run)(edge_session_t *session, const words_t *words);
} commands[] = {
    {"name", 1, 1, do_name},       {"profile", 1, 1, do_profile}, {"timestamp", 1, 1, do_timestamp},
    {"help", 1, 1, do_help},       {"db", 2, 4, do_db},           {"infer", 1, 3, do_infer},
    {"results", 1, 1, do_results},
};

static void dispatch(edge_session_t *session, const words_t *words) {
  for (uint32_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(words->word[0], commands[i].name) != 0) {
      continue;
    }
    if (words->count < commands[i].least || words->count > commands[i].most) {
      say_word(session, "e-[Too few or too many words: ", words->word[0]);
    } else {
      commands[i].run(session, words);
    }
    return;
  }
  say_word(session, "e-[Unknown command: ", words->word[0]);
}

/* Whatever came before the terminator gets one `m-ready`. */
static void execute(edge_session_t *session) {
  session->command[session->command_used] = '\0';
  const words_t words = split(session->command);
  if (session->command_too_long) {
    say_number(session, "e-[Command of more than ", EDGE_COMMAND_MAX, " characters]");
  } else if (words.count > 0) {
    dispatch(session, &words);
  }
  say(session, "m-ready");
}

static void forget_command(edge_session_t *session) {
  session->command_used = 0;
  session->command_too_long = false;
}

static void receive(edge_session_t *session, char character) {
  if (character == TERMINATOR) {
    execute(session);
    forget_command(session);
  } else if (character == FRAME_FLAG) {
    if (session->command_used > 0) {
      say(session, "e-[No frames here: this firmware speaks MLPerf Tiny's protocol]");
    }
    forget_command(session);
  } else if (character == '\r' || character == '\n' || character == '\0') {
    return; /* terminals send them */
  } else if (session->command_used == EDGE_COMMAND_MAX) {
    session->command_too_long = true;
  } else {
    session->command[session->command_used++] = character;
  }
}

void edge_session_receive(edge_session_t *session, const uint8_t *data, uint32_t size) {
  for (uint32_t i = 0; i < size; i++) {
    receive(session, (char)data[i]);
  }
}

static edge_status_t open(edge_session_t *session) {
  const edge_port_info_t *port = &session->port;
  if (port->boot_cause == EDGE_BOOT_FAULT) {
    return EDGE_FAULT; /* the image may be what faults: do not try it again */
  }
  const edge_status_t status = edge_image_open(&session->image, port->model, port->model_bytes);
  return status == EDGE_OK ? edge_model_open(&session->model, &session->image, port) : status;
}

static void say_fault(edge_session_t *session) {
  const edge_fault_t *fault = &session->port.fault;
  edge_reply_text(&session->reply, "m-[Fault ");
  edge_reply_number(&session->reply, fault->kind);
  edge_reply_text(&session->reply, " at pc ");
  edge_reply_hex32(&session->reply, fault->pc);
  edge_reply_text(&session->reply, ", address ");
  edge_reply_hex32(&session->reply, fault->address);
  say(session, "]");
}

void edge_session_begin(edge_session_t *session) {
  *session = (edge_session_t){.announced = 0};
  edge_port_init(&session->port);
  session->model_status = open(session);
  say(session, "m-timestamp-mode-performance");
  do_timestamp(session, NULL);
  if (session->port.boot_cause == EDGE_BOOT_FAULT) {
    say_fault(session);
  }
  (void)expect_model(session);
  say(session, "m-init-done");
  say(session, "m-ready");
}

void edge_session_run(edge_session_t *session) {
  uint8_t piece[256];
  edge_session_begin(session);
  for (;;) {
    const uint32_t size = edge_port_read(piece, sizeof piece);
    if (size == 0) {
      edge_port_idle();
    }
    edge_session_receive(session, piece, size);
  }
}
