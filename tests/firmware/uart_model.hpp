// A UART driver of ports/bare in a process: as C++ its EDGE_REG becomes a call of the model of the
// peripheral, which uart_model.py gives. The driver is the file DRIVER.
#include "register_model.hpp"

namespace {

using received_t = void (*)(uint8_t byte);
using lost_t = void (*)(uint32_t bytes);

received_t give_byte;
lost_t give_lost;

} // namespace

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
