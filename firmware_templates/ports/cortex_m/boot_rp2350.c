/* What the boot ROM of an RP2350 looks for in the first 4 KiB of flash: a block that says that this
 * is an image for its Arm cores, to be run secure, and where the vectors are (RP2350 data sheet
 * 5.9, "Metadata block details"). The ROM itself has set up the flash for reading. */
#include <stdint.h>

#define BLOCK_BEGIN 0xFFFFDED3u
#define BLOCK_END 0xAB123579u
/* Of an item: its kind, its words, then what the kind wants. */
#define IMAGE_TYPE (0x42u | 1u << 8 | (EXECUTABLE | SECURE | ARM | RP2350) << 16)
#define VECTOR_TABLE (0x03u | 2u << 8)
#define LAST(words) (0xFFu | (words) << 8)
#define EXECUTABLE (1u << 0)
#define SECURE (2u << 4)
#define ARM (0u << 8)
#define RP2350 (1u << 12)

extern const uint32_t edge_vectors[];

typedef union word {
  uint32_t value;
  const void *address;
} word_t;

__attribute__((section(".boot"), used)) static const word_t boot[] = {
    {BLOCK_BEGIN}, {IMAGE_TYPE}, {VECTOR_TABLE}, {.address = edge_vectors},
    {LAST(3u)},    {0}, /* the next block is this one again: there is no other */
    {BLOCK_END},
};
