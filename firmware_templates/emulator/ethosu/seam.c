#include "ethosu/seam.h"

#include <stddef.h>

#define FIRST_ADDRESS ((uint64_t)1 << 16)
#define GAP ((uint64_t)1 << 16) /* between windows: what leaves one meets no other */
#define ADDRESSES ((uint64_t)1 << 32)
#define NO_ADDRESS UINT64_MAX

edge_status_t edge_ethosu_place(edge_ethosu_t *npu, uint64_t base, void *data, uint64_t bytes,
                                bool writable) {
  if (npu->window_count == EDGE_ETHOSU_WINDOWS || base >= ADDRESSES || bytes > ADDRESSES - base) {
    return EDGE_NO_MEMORY;
  }
  npu->windows[npu->window_count++] = (edge_ethosu_window_t){base, data, bytes, writable};
  return EDGE_OK;
}

edge_status_t edge_ethosu_map(edge_ethosu_t *npu, void *data, uint64_t bytes, bool writable) {
  uint64_t base = FIRST_ADDRESS;
  for (uint32_t i = 0; i < npu->window_count; i++) {
    uint64_t end = npu->windows[i].base + npu->windows[i].bytes;
    base = end + GAP > base ? end + GAP : base;
  }
  base = ((base + 15u) & ~(uint64_t)15u) + ((uintptr_t)data & 15u);
  return edge_ethosu_place(npu, base, data, bytes, writable);
}

static uint32_t read_register(void *device, uint32_t offset) {
  return edge_ethosu_read(device, offset);
}

static void write_register(void *device, uint32_t offset, uint32_t value) {
  edge_ethosu_write(device, offset, value);
}

/* The job has ended before the write that started it returned. */
static bool wait_for_end(void *device) { return device != NULL; }

static uint64_t address_of(void *device, const void *data) {
  const edge_ethosu_t *npu = device;
  for (uint32_t i = 0; i < npu->window_count; i++) {
    const edge_ethosu_window_t *window = &npu->windows[i];
    uintptr_t offset = (uintptr_t)data - (uintptr_t)window->data;
    if (offset < window->bytes) {
      return window->base + offset;
    }
  }
  return NO_ADDRESS;
}

edge_npu_t edge_ethosu_seam(edge_ethosu_t *npu) {
  return (edge_npu_t){.device = npu,
                      .read = read_register,
                      .write = write_register,
                      .wait = wait_for_end,
                      .address = address_of};
}
