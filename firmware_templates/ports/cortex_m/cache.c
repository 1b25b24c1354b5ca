#include "cache.h"

#include "core.h"

#define SCB_CCR EDGE_REG(0xE000ED14u)
#define SCB_CCSIDR EDGE_REG(0xE000ED80u) /* size of the cache that CSSELR selects */
#define SCB_CSSELR EDGE_REG(0xE000ED84u)
#define SCB_ICIALLU EDGE_REG(0xE000EF50u) /* invalidate all instructions */
#define SCB_DCIMVAC 0xE000EF5Cu           /* invalidate the data line of an address */
#define SCB_DCISW EDGE_REG(0xE000EF60u)   /* invalidate the data line of a set and way */
#define SCB_DCCMVAC 0xE000EF68u           /* clean the data line of an address */

#define CCR_DATA (1u << 16)
#define CCR_INSTRUCTION (1u << 17)
#define CSSELR_DATA 0u                             /* level 1 */
#define CCSIDR_SETS(size) ((size) >> 13 & 0x7FFFu) /* less one, as the others */
#define CCSIDR_WAYS(size) ((size) >> 3 & 0x3FFu)
#define CCSIDR_LINE(size) (((size) & 7u) + 4u) /* logarithm of its bytes */

#if defined(EDGE_CACHE_INSTRUCTION) || defined(EDGE_CACHE_DATA)
static void synchronise(void) { __asm__ volatile("dsb\n isb" ::: "memory"); }
#endif

#ifdef EDGE_CACHE_DATA
/* After a reset lines may hold anything (DDI 0403 B3.2.1): by set and way, as no address is known
 * for them. The way stands in the uppermost bits. */
static void empty_data_cache(void) {
  SCB_CSSELR = CSSELR_DATA;
  synchronise();
  const uint32_t size = SCB_CCSIDR;
  const uint32_t ways = CCSIDR_WAYS(size);
  const uint32_t shift = ways == 0 ? 0 : (uint32_t)__builtin_clz(ways);
  for (uint32_t set = 0; set <= CCSIDR_SETS(size); set++) {
    for (uint32_t way = 0; way <= ways; way++) {
      SCB_DCISW = set << CCSIDR_LINE(size) | way << shift;
    }
  }
  synchronise();
}

static void by_line(uint32_t operation, const void *data, uint32_t bytes) {
  const uint32_t start = (uint32_t)(uintptr_t)data;
  synchronise();
  for (uint32_t at = start & ~(EDGE_CACHE_LINE - 1u); at < start + bytes; at += EDGE_CACHE_LINE) {
    EDGE_REG(operation) = at;
  }
  synchronise();
}

void edge_cache_clean(const void *data, uint32_t bytes) { by_line(SCB_DCCMVAC, data, bytes); }

void edge_cache_drop(const void *data, uint32_t bytes) { by_line(SCB_DCIMVAC, data, bytes); }
#endif

#if defined(EDGE_CACHE_INSTRUCTION) || defined(EDGE_CACHE_DATA)
void edge_cache_enable(void) {
#ifdef EDGE_CACHE_INSTRUCTION
  synchronise();
  SCB_ICIALLU = 0;
  synchronise();
  SCB_CCR |= CCR_INSTRUCTION;
  synchronise();
#endif
#ifdef EDGE_CACHE_DATA
  if ((SCB_CCR & CCR_DATA) == 0) { /* else a bootloader has, and the stack may be in it */
    empty_data_cache();
    SCB_CCR |= CCR_DATA;
    synchronise();
  }
#endif
}
#endif
