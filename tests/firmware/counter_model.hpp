// A counter (bare/counter.h) in a process, with a model in place of the chip's registers. The
// source is the file DRIVER.
#include "register_model.hpp"

#include DRIVER

extern "C" {
void model_attach(read_t read, write_t write) {
  read_register = read;
  write_register = write;
}
void model_init() { edge_counter_init(); }
uint32_t model_read() { return edge_counter_read(); }
}
