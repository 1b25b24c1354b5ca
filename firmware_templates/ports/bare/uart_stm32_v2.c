/* USART of STM32 F0, F3, F7, L4, H7 and later (ST RM0410, chapter 34), 16 samples a bit; where it
 * has FIFOs (H7), they stay off. */
#include "core.h"
#include "edge_board.h"
#include "uart.h"

#define USART_CR1 EDGE_REG(EDGE_UART_BASE + 0x00u)
#define USART_BRR EDGE_REG(EDGE_UART_BASE + 0x0Cu)
#define USART_ISR EDGE_REG(EDGE_UART_BASE + 0x1Cu)
#define USART_ICR EDGE_REG(EDGE_UART_BASE + 0x20u)
#define USART_RDR EDGE_REG(EDGE_UART_BASE + 0x24u)
#define USART_TDR EDGE_REG(EDGE_UART_BASE + 0x28u)
#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_RXNEIE (1u << 5)
#define ISR_ORE (1u << 3) /* the same bit of ICR clears it */
#define ISR_RXNE (1u << 5)
#define ISR_TXE (1u << 7)

void edge_uart_init(void) {
  USART_BRR = (EDGE_UART_CLOCK_HZ + EDGE_UART_BAUD / 2u) / EDGE_UART_BAUD;
  USART_CR1 = CR1_UE | CR1_RE | CR1_TE | CR1_RXNEIE;
}

void edge_uart_send(uint8_t byte) {
  while ((USART_ISR & ISR_TXE) == 0) {
  }
  USART_TDR = byte;
}

/* Reading RDR clears RXNE; ORE stays until it is cleared, and may come without a byte. */
void edge_port_uart_interrupt(void) {
  uint32_t state;
  while (((state = USART_ISR) & (ISR_RXNE | ISR_ORE)) != 0) {
    if ((state & ISR_RXNE) != 0) {
      edge_uart_received((uint8_t)USART_RDR);
    }
    if ((state & ISR_ORE) != 0) {
      USART_ICR = ISR_ORE;
      edge_uart_lost(1);
    }
  }
}
