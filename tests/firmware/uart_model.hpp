// A UART driver of ports/bare in a process: as C++ its EDGE_REG becomes a call of the model of the
// peripheral, which uart_model.py gives. The driver is the file DRIVER.
#include <cstdint>

#define _Static_assert static_assert

namespace {

using read_t = uint32_t (*)(uint32_t address, uint32_t bytes);
using write_t = void (*)(uint32_t address, uint32_t bytes, uint32_t value);
using received_t = void (*)(uint8_t byte);
using lost_t = void (*)(uint32_t bytes);

read_t read_register;
write_t write_register;
received_t give_byte;
lost_t give_lost;
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

#include DRIVER

void edge_uart_received(uint8_t byte) { give_byte(byte); }
void edge_uart_lost(uint32_t bytes) { give_lost(bytes); }

extern "C" {
void model_attach(read_t read, write_t write, received_t received, lost_t lost) {
  read_register = read;
  write_register = write;
  give_byte = received;
  give_lost = lost;
}
int model_init() { return bounded(edge_uart_init); }
int model_send(uint8_t byte) {
  return bounded([byte] { edge_uart_send(byte); });
}
int model_interrupt() { return bounded(edge_port_uart_interrupt); }
}
