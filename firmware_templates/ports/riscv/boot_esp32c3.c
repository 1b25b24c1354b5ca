/* Direct boot of an ESP32-C3 from revision 3 on (Espressif, esp32c3-direct-boot-example): behind
 * these words its ROM maps the flash, at 0x42000000 for code and at 0x3C000000 for loads, and jumps
 * to the word that follows, edge_reset. */
#include <stdint.h>

extern const uint32_t edge_boot_words[2];

__attribute__((section(".boot"), used))
const uint32_t edge_boot_words[2] = {0xAEDB041Du, 0xAEDB041Du};
