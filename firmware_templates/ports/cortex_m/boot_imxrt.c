/* What the boot ROM of an i.MX RT10xx reads at the start of a serial NOR flash on FlexSPI
 * (IMXRT1060RM, chapter System Boot: FlexSPI serial NOR flash boot): how the flash is read, and
 * where the image begins. The flash is one of four data lines and read command EBh in 3 bytes of
 * address, as the kits have it; the vectors follow at 2000h. */
#include <stdint.h>

#define FLASH_BASE 0x60000000u
#define FLASH_BYTES 0x800000u /* 64 Mbit: IS25WP064A, W25Q64 */
#define IVT_AT 0x1000u
#define VECTORS_AT 0x2000u

/* A step of a command: what it does, on how many lines (2 to that power), with which operand. */
#define STEP(opcode, lines, operand)                                                               \
  ((uint32_t)(opcode) << 10 | (uint32_t)(lines) << 8 | (uint32_t)(operand))
#define STEPS(first, second) ((first) | (second) << 16)
#define ERASE(command) {STEPS(STEP(COMMAND, ONE, command), STEP(ADDRESS, ONE, 24))}
#define COMMAND 1
#define ADDRESS 2
#define WRITE 8
#define READ 9
#define DUMMY 12
#define STOP 0
#define ONE 0
#define FOUR 2

typedef struct memory {
  uint32_t tag, version, reserved0;
  uint8_t sample_clock, hold, set_up, column_bits;
  uint8_t mode_enable, mode_type;
  uint16_t mode_wait;
  uint32_t mode_sequence, mode_argument;
  uint8_t commands_enable, command_types[3];
  uint32_t command_sequences[3], reserved1, command_arguments[3], reserved2;
  uint32_t options;
  uint8_t device, lines, clock, own_sequences;
  uint32_t reserved3[2];
  uint32_t bytes[4]; /* of the flashes at A1, A2, B1 and B2 */
  uint32_t pads[4], timeout_ms, interval;
  uint16_t valid_time[2], busy_bit, busy_polarity;
  uint32_t commands[16][4];
  uint32_t sequences[12], reserved4[4];
} memory_t;

typedef struct nor {
  memory_t memory;
  uint32_t page_bytes, sector_bytes;
  uint8_t command_clock, uniform, reserved0[2];
  uint8_t kind, leave, half_clock, restore;
  uint32_t block_bytes, reserved1[11];
} nor_t;

typedef struct vector_table {
  uint32_t header, entry, reserved1, device_data, boot_data, self, signature, reserved2;
} vector_table_t;

typedef struct header {
  nor_t nor;
  uint8_t gap0[IVT_AT - sizeof(nor_t)];
  vector_table_t vector_table;
  uint32_t start, size, plugin;
  uint8_t gap1[VECTORS_AT - IVT_AT - sizeof(vector_table_t) - 12];
} header_t;

_Static_assert(sizeof(memory_t) == 448 && sizeof(nor_t) == 512, "as the ROM reads it");
_Static_assert(sizeof(header_t) == VECTORS_AT, "vectors follow");

__attribute__((section(".boot"), used)) static const header_t header = {
    .nor.memory.tag = 0x42464346u,     /* FCFB */
    .nor.memory.version = 0x56010400u, /* V1.4.0 */
    .nor.memory.sample_clock = 1,      /* back from the DQS pad, which nothing else drives */
    .nor.memory.hold = 3,
    .nor.memory.set_up = 3,
    .nor.memory.options = 1u << 4, /* a safe clock for whatever configures the flash */
    .nor.memory.device = 1,        /* serial NOR */
    .nor.memory.lines = 4,
    .nor.memory.clock = 7, /* 120 MHz */
    .nor.memory.bytes = {FLASH_BYTES},
    .nor.memory.commands = {[0] = {STEPS(STEP(COMMAND, ONE, 0xEB), STEP(ADDRESS, FOUR, 24)),
                                   STEPS(STEP(DUMMY, FOUR, 6), STEP(READ, FOUR, 4))},
                            [1] = {STEPS(STEP(COMMAND, ONE, 0x05),
                                         STEP(READ, ONE, 4))}, /* status */
                            [3] = {STEP(COMMAND, ONE, 0x06)},  /* write enable */
                            [5] = ERASE(0x20),                 /* of a sector */
                            [8] = ERASE(0xD8),                 /* of a block */
                            [9] = {STEPS(STEP(COMMAND, ONE, 0x02), STEP(ADDRESS, ONE, 24)),
                                   STEPS(STEP(WRITE, ONE, 4), STEP(STOP, ONE, 0))}, /* a page */
                            [11] = {STEP(COMMAND, ONE, 0x60)}},                     /* erase all */
    .nor.page_bytes = 256,
    .nor.sector_bytes = 4096,
    .nor.command_clock = 1, /* 30 MHz */
    .nor.block_bytes = 65536,
    .vector_table.header = 0x412000D1u, /* tag D1h, 32 bytes, version 4.1 */
    .vector_table.entry = FLASH_BASE + VECTORS_AT,
    .vector_table.boot_data = FLASH_BASE + IVT_AT + sizeof(vector_table_t),
    .vector_table.self = FLASH_BASE + IVT_AT,
    .start = FLASH_BASE,
    .size = FLASH_BYTES,
};
