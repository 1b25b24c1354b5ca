/* UARTE of the nRF52 and nRF53: everything by DMA, here a byte at a time (nRF5340 Product
 * Specification 1.3.1, UARTE). What comes between two transfers waits in the receiver's own buffer,
 * whose overrun is an error that is counted. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define TASK_START_RECEIVE EDGE_REG(EDGE_UART_BASE + 0x000u)
#define TASK_START_SEND EDGE_REG(EDGE_UART_BASE + 0x008u)
#define EVENT_RECEIVED EDGE_REG(EDGE_UART_BASE + 0x110u) /* ENDRX */
#define EVENT_SENT EDGE_REG(EDGE_UART_BASE + 0x120u)     /* ENDTX */
#define EVENT_ERROR EDGE_REG(EDGE_UART_BASE + 0x124u)
#define UART_INTENSET EDGE_REG(EDGE_UART_BASE + 0x304u)
#define UART_ERRORSRC EDGE_REG(EDGE_UART_BASE + 0x480u)
#define UART_ENABLE EDGE_REG(EDGE_UART_BASE + 0x500u)
#define UART_BAUDRATE EDGE_REG(EDGE_UART_BASE + 0x524u)
#define UART_RECEIVE_TO EDGE_REG(EDGE_UART_BASE + 0x534u)
#define UART_RECEIVE_COUNT EDGE_REG(EDGE_UART_BASE + 0x538u)
#define UART_SEND_FROM EDGE_REG(EDGE_UART_BASE + 0x544u)
#define UART_SEND_COUNT EDGE_REG(EDGE_UART_BASE + 0x548u)
#define UART_CONFIG EDGE_REG(EDGE_UART_BASE + 0x56Cu)
#define ENABLED 8u
#define INTERRUPT_RECEIVED (1u << 4)
#define INTERRUPT_ERROR (1u << 9)
#define ERROR_OVERRUN 1u
#define ERRORS 0xFu

/* The speeds that the specification lists; others are not promised. */
#if EDGE_UART_BAUD == 115200
#define BAUD 0x01D60000u
#elif EDGE_UART_BAUD == 230400
#define BAUD 0x03B00000u
#elif EDGE_UART_BAUD == 460800
#define BAUD 0x07400000u
#elif EDGE_UART_BAUD == 921600
#define BAUD 0x0F000000u
#elif EDGE_UART_BAUD == 1000000
#define BAUD 0x10000000u
#else
#error "UARTE: [uart] baud is 115200, 230400, 460800, 921600 or 1000000"
#endif

static volatile uint8_t received, sent; /* the DMA reaches RAM only */

static uint32_t address_of(const volatile uint8_t *place) { return (uint32_t)(uintptr_t)place; }

void edge_uart_init(void) {
  UART_CONFIG = 0; /* no parity, no flow control, one stop bit */
  UART_BAUDRATE = BAUD;
  UART_ENABLE = ENABLED;
  UART_SEND_FROM = address_of(&sent);
  UART_SEND_COUNT = sizeof sent;
  UART_RECEIVE_TO = address_of(&received);
  UART_RECEIVE_COUNT = sizeof received;
  EVENT_RECEIVED = 0;
  UART_INTENSET = INTERRUPT_RECEIVED | INTERRUPT_ERROR;
  TASK_START_RECEIVE = 1;
}

void edge_uart_send(uint8_t byte) {
  sent = byte;
  EVENT_SENT = 0;
  edge_core_barrier(); /* the byte is there before its transfer */
  TASK_START_SEND = 1;
  while (EVENT_SENT == 0) {
  }
}

void edge_port_uart_interrupt(void) {
  if (EVENT_ERROR != 0) {
    EVENT_ERROR = 0;
    const uint32_t errors = UART_ERRORSRC & ERRORS;
    UART_ERRORSRC = errors;
    if ((errors & ERROR_OVERRUN) != 0) {
      edge_uart_lost(1);
    }
  }
  while (EVENT_RECEIVED != 0) {
    EVENT_RECEIVED = 0;
    edge_core_barrier();
    edge_uart_received(received);
    edge_core_barrier();
    TASK_START_RECEIVE = 1;
  }
}
