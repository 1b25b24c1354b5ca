/* 16550A and its many descendants (TI PC16550D, SLLS597E; Synopsys DW_apb_uart): registers lie
 * EDGE_UART_STRIDE bytes apart. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#ifndef EDGE_UART_STRIDE
#error "a 16550 needs [uart] stride in the board file: bytes from one register to the next"
#elif EDGE_UART_STRIDE == 1
#define UART_REG(number) EDGE_REG8(EDGE_UART_BASE + (number))
#else
#define UART_REG(number) EDGE_REG(EDGE_UART_BASE + (number) * EDGE_UART_STRIDE)
#endif

#define UART_DATA UART_REG(0) /* RBR, THR; DLL */
#define UART_IER UART_REG(1)  /* or DLM */
#define UART_IIR UART_REG(2)
#define UART_FCR UART_REG(2)
#define UART_LCR UART_REG(3)
#define UART_MCR UART_REG(4)
#define UART_LSR UART_REG(5)
#define UART_USR UART_REG(31) /* of a DW_apb_uart alone */

#define IER_RECEIVED 1u
#define IIR_ID 0xFu
#define IIR_BUSY 7u     /* DW_apb_uart: LCR was written while it was busy, and kept its value */
#define IIR_TIMEOUT 12u /* bytes have waited in the FIFO */
#define FCR_ON_EMPTY 7u /* FIFOs on, both emptied; a byte makes an interrupt */
#define LCR_8N1 3u
#define LCR_DIVISOR 0x80u
#define MCR_READY 0xBu /* DTR, RTS; OUT2 lets a PC's interrupt through */
#define LSR_RECEIVED 1u
#define LSR_OVERRUN 2u
#define LSR_CAN_SEND 0x20u
#define TRIES 1000u

static uint8_t take(void) { return (uint8_t)UART_DATA; }

static uint32_t end_busy(void) { return UART_USR; }

/* A DW_apb_uart takes LCR only while it rests: what a peer sends meanwhile keeps it from that. */
static void set_line(uint32_t value) {
  for (uint32_t left = TRIES; left > 0; left--) {
    UART_LCR = (uint8_t)value;
    if ((uint8_t)UART_LCR == value) {
      return;
    }
    UART_FCR = FCR_ON_EMPTY;
    (void)take();
  }
}

void edge_uart_init(void) {
  const uint32_t divisor = (EDGE_UART_CLOCK_HZ + 8u * EDGE_UART_BAUD) / (16u * EDGE_UART_BAUD);
  UART_IER = 0;
  UART_FCR = FCR_ON_EMPTY;
  set_line(LCR_DIVISOR | LCR_8N1);
  UART_DATA = (uint8_t)divisor;
  UART_IER = (uint8_t)(divisor >> 8);
  set_line(LCR_8N1);
  UART_MCR = MCR_READY;
  UART_IER = IER_RECEIVED;
}

void edge_uart_send(uint8_t byte) {
  while ((UART_LSR & LSR_CAN_SEND) == 0) {
  }
  UART_DATA = byte;
}

void edge_port_uart_interrupt(void) {
  const uint32_t cause = (uint32_t)UART_IIR & IIR_ID;
  if (cause == IIR_BUSY) {
    (void)end_busy();
  }
  uint32_t line = (uint32_t)UART_LSR; /* reading it clears its errors */
  if (cause == IIR_TIMEOUT && (line & LSR_RECEIVED) == 0) {
    (void)take(); /* a DW_apb_uart may say so of an empty FIFO, and stops at a read only */
  }
  for (;; line = (uint32_t)UART_LSR) {
    if ((line & LSR_OVERRUN) != 0) {
      edge_uart_lost(1);
    }
    if ((line & LSR_RECEIVED) == 0) {
      return;
    }
    edge_uart_received(take());
  }
}
