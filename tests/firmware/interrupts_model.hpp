// Interrupts of a RISC-V board (ports/riscv/interrupts.h) in a process, with a model in place of
// the chip's registers. The source is the file DRIVER.
#include "register_model.hpp"

namespace {
uint32_t served; // interrupts that reached the UART's driver
}

#include DRIVER

void edge_port_uart_interrupt(void) { served++; }

extern "C" {
void model_attach(read_t read, write_t write) {
  read_register = read;
  write_register = write;
}
int model_init() { return bounded(edge_interrupts_init); }
int model_enable(uint32_t number) {
  return bounded([number] { edge_interrupts_enable(number); });
}
int model_taken(uint32_t cause) {
  return bounded([cause] { edge_interrupts_taken(cause); });
}
int model_begin_ticks() { return bounded(edge_interrupts_begin_ticks); }
uint32_t model_end_ticks() { return edge_interrupts_end_ticks(); }
uint32_t model_served() { return served; }
}
