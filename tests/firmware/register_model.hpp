// Registers that are calls of a model: a driver of ports/ that includes this, as C++, runs in a
// process, where EDGE_REG is what the model says of it.
#pragma once

#include <cstdint>

#define _Static_assert static_assert

namespace {

using read_t = uint32_t (*)(uint32_t address, uint32_t bytes);
using write_t = void (*)(uint32_t address, uint32_t bytes, uint32_t value);

read_t read_register;
write_t write_register;
uint32_t accesses;
constexpr uint32_t accesses_most = 10000; // of one call: more is a wait that never ends

struct Endless {};

template <typename T> struct Register {
  uint32_t address;
  operator T() const {
    count();
    return static_cast<T>(read_register(address, sizeof(T)));
  }
  void operator=(T value) {
    count();
    write_register(address, sizeof(T), value);
  }
  void operator=(const Register &other) { *this = static_cast<T>(other); }
  void operator|=(T bits) { *this = static_cast<T>(static_cast<T>(*this) | bits); }
  void operator&=(T bits) { *this = static_cast<T>(static_cast<T>(*this) & bits); }
  static void count() {
    if (++accesses > accesses_most) {
      throw Endless();
    }
  }
};

template <typename Call> int bounded(Call call) {
  accesses = 0;
  try {
    call();
  } catch (const Endless &) {
    return 1;
  }
  return 0;
}

} // namespace

#define EDGE_REG(at) (Register<uint32_t>{static_cast<uint32_t>(at)})
#define EDGE_REG16(at) (Register<uint16_t>{static_cast<uint32_t>(at)})
#define EDGE_REG8(at) (Register<uint8_t>{static_cast<uint32_t>(at)})
