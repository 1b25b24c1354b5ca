// cortex_m/cache.c in a process: as C++ its EDGE_REG notes every access, its barriers themselves.
// The source is the file SOURCE.
#include <cstdint>

namespace {

struct Event {
  uint32_t kind, address, value; // 0 read, 1 write, 2 barrier
};
constexpr uint32_t most = 1u << 16;
Event events[most];
uint32_t count, size_register, control;

void note(uint32_t kind, uint32_t address, uint32_t value) {
  if (count < most) {
    events[count] = {kind, address, value};
  }
  count++;
}

struct Register {
  uint32_t address;
  operator uint32_t() const {
    const uint32_t value = address == 0xE000ED80u ? size_register : control;
    note(0, address, value);
    return value;
  }
  void operator=(uint32_t value) {
    note(1, address, value);
    control = address == 0xE000ED14u ? value : control;
  }
  void operator|=(uint32_t bits) { *this = static_cast<uint32_t>(*this) | bits; }
};

} // namespace

#define EDGE_REG(at) (Register{static_cast<uint32_t>(at)})
#define __asm__
#define volatile(...) note(2, 0, 0)

#include SOURCE

extern "C" {
void model_start(uint32_t size, uint32_t caches) {
  count = 0;
  control = 0x200 | caches; // STKALIGN, which has to stay
  size_register = size;
}
uint32_t model_events(const Event **list) {
  *list = events;
  return count;
}
void model_enable() { edge_cache_enable(); }
void model_clean(uint32_t at, uint32_t bytes) {
  edge_cache_clean(reinterpret_cast<const void *>(static_cast<uintptr_t>(at)), bytes);
}
#ifdef EDGE_CACHE_DATA
void model_drop(uint32_t at, uint32_t bytes) {
  edge_cache_drop(reinterpret_cast<const void *>(static_cast<uintptr_t>(at)), bytes);
}
#endif
}
