/* A UART; the build takes the source of the driver that the board file names. What follows from
 * the board alone, clocks, pins and power, is [setup]'s. */
#ifndef EDGE_BARE_UART_H
#define EDGE_BARE_UART_H

#include <stdint.h>

/* Of the driver. */

/* 8 bits, no parity, 1 stop bit at EDGE_UART_BAUD from EDGE_UART_CLOCK_HZ, with the interrupt of
 * received bytes on. */
void edge_uart_init(void);

/* Waits until the transmitter takes the byte. */
void edge_uart_send(uint8_t byte);

/* The handler: hands over all received bytes, silences its source. */
void edge_port_uart_interrupt(void);

/* For the driver's handler. (link_uart.c) */
void edge_uart_received(uint8_t byte);
void edge_uart_lost(uint32_t bytes);

#endif
