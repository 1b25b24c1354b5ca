/* Instead of the application: does what the host says with the board's NPU. A request is three
 * words, operation (0 read, 1 write, 2 wait), offset and value; 3 cleans `value` bytes of
 * the workspace that it wrote, 4 drops them too. The answer is the result, a zero
 * and what the operation cost by the port's clock, 64 bits. */
#include <string.h>

#include "session.h"

static void receive(uint8_t *data, uint32_t size) {
  while (size > 0) {
    const uint32_t got = edge_port_read(data, size);
    data += got;
    size -= got;
    if (got == 0) {
      edge_port_idle();
    }
  }
}

/* The host knocks until it is heard, then says that it goes on. */
static void meet(void) {
  uint8_t knock;
  const uint8_t ready[16] = {0};
  receive(&knock, 1);
  edge_port_write(ready, sizeof ready);
  while (knock != 0xFE) {
    receive(&knock, 1);
  }
}

/* 1 where the board has a data cache, 0 where not. */
static uint32_t cache(const edge_session_t *session, uint32_t operation, uint32_t offset,
                      uint32_t bytes) {
  const edge_npu_t *npu = session->port.npu;
  uint8_t *at = session->port.workspace + offset;
  if (npu->clean == NULL || npu->invalidate == NULL) {
    return 0;
  }
  memset(at, 0x5A, bytes);
  npu->clean(npu->device, at, bytes);
  if (operation == 4) {
    npu->invalidate(npu->device, at, bytes);
  }
  for (uint32_t i = 0; i < bytes; i++) {
    if (at[i] != 0x5A) {
      return 2;
    }
  }
  return 1;
}

_Noreturn void edge_session_run(edge_session_t *session) {
  edge_port_init(&session->port);
  const edge_npu_t *npu = session->port.npu;
  uint8_t bytes[16];
  meet();
  for (;;) {
    uint32_t request[3], answer[4] = {0};
    receive(bytes, sizeof request);
    memcpy(request, bytes, sizeof request);
    const uint64_t before = edge_port_clock();
    if (request[0] == 0) {
      answer[0] = npu->read(npu->device, request[1]);
    } else if (request[0] == 1) {
      npu->write(npu->device, request[1], request[2]);
    } else if (request[0] == 2) {
      answer[0] = npu->wait(npu->device);
    } else {
      answer[0] = cache(session, request[0], request[1], request[2]);
    }
    const uint64_t cost = edge_port_clock() - before;
    memcpy(answer + 2, &cost, sizeof cost);
    memcpy(bytes, answer, sizeof answer);
    edge_port_write(bytes, sizeof answer);
  }
}
