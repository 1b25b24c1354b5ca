@ Second stage of an RP2040's start. Its boot ROM copies the first 256 bytes of flash to the end of
@ SRAM, compares their CRC and jumps there. This sets the flash interface (SSI) up for continuous
@ quad reads, as a Winbond W25Q16JV and its relatives take them, at clk_sys / 2, and enters the
@ image behind it by its vectors. (RP2040 data sheet 2.8.1 and 4.10; W25Q16JV data sheet 8.2)
@
@ boot_rp2040.c holds what this assembles to; tests/firmware/test_boot_headers.py compares them.
  .syntax unified
  .cpu cortex-m0plus
  .thumb

  .equ SCLK, 0x04      @ PADS_QSPI
  .equ SD0, 0x08
  .equ SD1, 0x0C
  .equ SD2, 0x10
  .equ SD3, 0x14
  .equ CTRLR0, 0x00    @ SSI
  .equ CTRLR1, 0x04
  .equ SSIENR, 0x08
  .equ BAUDR, 0x14
  .equ SR, 0x28
  .equ DR0, 0x60
  .equ RX_SAMPLE_DLY, 0xF0
  .equ SPI_CTRLR0, 0xF4

  .equ FAST_8_MA, 0x21          @ of a pad
  .equ SCHMITT, 0x02
  .equ BYTES, 7 << 16           @ CTRLR0: serial, frames of 8 bits, both ways
  .equ QUAD_READ, 2 << 21 | 31 << 16 | 3 << 8 @ quad, frames of 32 bits, send and then receive
  @ SPI_CTRLR0: 32 bits of address and mode, then 4 clocks until the data
  .equ COMMAND_SERIAL, 4 << 11 | 2 << 8 | 8 << 2 | 1 @ 8 bits of command on one wire before them
  .equ NO_COMMAND, 0xA0 << 24 | 4 << 11 | 8 << 2 | 2 @ none; the mode behind each address
  .equ CONTINUOUS, 0xA0         @ mode: the next read has no command
  .equ IDLE, 0x04               @ SR: all is sent, not busy
  .equ BUSY, 0x01

  .equ WRITE_ENABLE, 0x06       @ commands of the flash
  .equ READ_STATUS_1, 0x05
  .equ READ_STATUS_2, 0x35
  .equ WRITE_STATUS_2, 0x31
  .equ FAST_READ_QUAD, 0xEB
  .equ QUAD_ENABLED, 0x02       @ of status 2; factories set it, and it stays

start:
  ldr r3, =0x40020000           @ PADS_QSPI
  movs r0, #FAST_8_MA
  str r0, [r3, #SCLK]
  ldr r0, [r3, #SD0]
  movs r1, #SCHMITT
  bics r0, r1
  str r0, [r3, #SD0]
  str r0, [r3, #SD1]
  str r0, [r3, #SD2]
  str r0, [r3, #SD3]

  ldr r3, =0x18000000           @ SSI, from here on
  movs r0, #0
  str r0, [r3, #SSIENR]
  movs r0, #2
  str r0, [r3, #BAUDR]
  movs r0, #1
  movs r1, #RX_SAMPLE_DLY
  str r0, [r3, r1]
  ldr r1, =BYTES
  str r1, [r3, #CTRLR0]
  str r0, [r3, #SSIENR]

  movs r0, #READ_STATUS_2
  bl read_status
  movs r1, #QUAD_ENABLED
  tst r0, r1
  bne quad
  orrs r0, r1
  movs r4, r0
  movs r0, #WRITE_ENABLE
  str r0, [r3, #DR0]
  bl finish
  ldr r0, [r3, #DR0]
  movs r0, #WRITE_STATUS_2
  str r0, [r3, #DR0]
  str r4, [r3, #DR0]
  bl finish
  ldr r0, [r3, #DR0]
  ldr r0, [r3, #DR0]
written:
  movs r0, #READ_STATUS_1
  bl read_status
  movs r1, #BUSY
  tst r0, r1
  bne written

quad:
  movs r2, #0
  str r2, [r3, #SSIENR]
  ldr r0, =QUAD_READ
  str r0, [r3, #CTRLR0]
  str r2, [r3, #CTRLR1]
  movs r1, #SPI_CTRLR0
  ldr r0, =COMMAND_SERIAL
  str r0, [r3, r1]
  movs r0, #1
  str r0, [r3, #SSIENR]
  movs r0, #FAST_READ_QUAD      @ a read of address 0, whose mode makes the next ones continuous
  str r0, [r3, #DR0]
  movs r0, #CONTINUOUS
  str r0, [r3, #DR0]
  bl finish
  str r2, [r3, #SSIENR]
  ldr r0, =NO_COMMAND
  str r0, [r3, r1]
  movs r0, #1
  str r0, [r3, #SSIENR]

  ldr r0, =0x10000100           @ the vectors
  ldr r1, =0xE000ED08           @ VTOR
  str r0, [r1]
  ldm r0!, {r1, r2}
  msr msp, r1
  bx r2

@ r0: a command; its answer, a byte, in r0. Changes r1, r5.
read_status:
  mov r5, lr
  str r0, [r3, #DR0]
  str r0, [r3, #DR0]
  bl finish
  ldr r0, [r3, #DR0]
  ldr r0, [r3, #DR0]
  bx r5

@ Until everything has been sent. Changes r0; keeps r1, r2.
finish:
  ldr r0, [r3, #SR]
  movs r6, #IDLE | BUSY
  ands r0, r6
  cmp r0, #IDLE
  bne finish
  bx lr

  .pool
