/* USART of STM32 F1, F2 and F4 (ST RM0090, chapter 30), 16 samples a bit. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define USART_SR EDGE_REG(EDGE_UART_BASE + 0x00u)
#define USART_DR EDGE_REG(EDGE_UART_BASE + 0x04u)
#define USART_BRR EDGE_REG(EDGE_UART_BASE + 0x08u)
#define USART_CR1 EDGE_REG(EDGE_UART_BASE + 0x0Cu)
#define SR_ORE (1u << 3)
#define SR_RXNE (1u << 5)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define CR1_UE (1u << 13)

void edge_uart_init(void) {
  USART_BRR = (EDGE_UART_CLOCK_HZ + EDGE_UART_BAUD / 2u) / EDGE_UART_BAUD;
  USART_CR1 = CR1_UE | CR1_RE | CR1_TE | CR1_RXNEIE;
}

void edge_uart_send(uint8_t byte) {
  while ((USART_SR & SR_TXE) == 0) {
  }
  USART_DR = byte;
}

/* SR and then DR, read, clear both flags. An overrun may come without a byte. */
void edge_port_uart_interrupt(void) {
  uint32_t state;
  while (((state = USART_SR) & (SR_RXNE | SR_ORE)) != 0) {
    const uint8_t byte = (uint8_t)USART_DR;
    if ((state & SR_RXNE) != 0) {
      edge_uart_received(byte);
    }
    if ((state & SR_ORE) != 0) {
      edge_uart_lost(1);
    }
  }
}
