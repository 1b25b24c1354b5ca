/* Registers of the Ethos-U55 and U65 that the driver uses and the emulator has: byte offsets and
 * bits (Arm ethos_u55_regs.py in Vela 5.2.0). */
#ifndef EDGE_NPU_ETHOSU_REGISTERS_H
#define EDGE_NPU_ETHOSU_REGISTERS_H

#define EDGE_ETHOSU_REG_ID 0x000u
#define EDGE_ETHOSU_REG_STATUS 0x004u
#define EDGE_ETHOSU_REG_CMD 0x008u
#define EDGE_ETHOSU_REG_RESET 0x00Cu
#define EDGE_ETHOSU_REG_QBASE 0x010u /* low word; the high one behind it */
#define EDGE_ETHOSU_REG_QREAD 0x018u
#define EDGE_ETHOSU_REG_QCONFIG 0x01Cu
#define EDGE_ETHOSU_REG_QSIZE 0x020u
#define EDGE_ETHOSU_REG_PROT 0x024u
#define EDGE_ETHOSU_REG_CONFIG 0x028u
#define EDGE_ETHOSU_REG_REGIONCFG 0x03Cu
#define EDGE_ETHOSU_REG_AXI_LIMIT(i) (0x040u + 4u * (i)) /* 0..3 */
#define EDGE_ETHOSU_REG_BASEP(i) (0x080u + 8u * (i))     /* 0..7: low word, then the high one */
#define EDGE_ETHOSU_REG_PMCR 0x180u
#define EDGE_ETHOSU_REG_PMCNTENSET 0x184u
#define EDGE_ETHOSU_REG_PMCNTENCLR 0x188u
#define EDGE_ETHOSU_REG_PMOVSSET 0x18Cu
#define EDGE_ETHOSU_REG_PMOVSCLR 0x190u
#define EDGE_ETHOSU_REG_PMINTSET 0x194u
#define EDGE_ETHOSU_REG_PMINTCLR 0x198u
#define EDGE_ETHOSU_REG_PMCCNTR_LO 0x1A0u
#define EDGE_ETHOSU_REG_PMCCNTR_HI 0x1A4u
#define EDGE_ETHOSU_REG_PMCCNTR_CFG 0x1A8u
#define EDGE_ETHOSU_REG_PMEVCNTR(i) (0x300u + 4u * (i))  /* 0..3 */
#define EDGE_ETHOSU_REG_PMEVTYPER(i) (0x380u + 4u * (i)) /* 0..3 */
#define EDGE_ETHOSU_REG_BYTES 0x1000u

/* STATUS; the channel of a bus error in bits 12 to 15, its AXI port in bit 11 */
#define EDGE_ETHOSU_STATUS_RUNNING (1u << 0)
#define EDGE_ETHOSU_STATUS_IRQ (1u << 1)
#define EDGE_ETHOSU_STATUS_BUS (1u << 2)
#define EDGE_ETHOSU_STATUS_RESET (1u << 3) /* a reset is going on */
#define EDGE_ETHOSU_STATUS_PARSE (1u << 4)
#define EDGE_ETHOSU_STATUS_END (1u << 5) /* of the command stream */
#define EDGE_ETHOSU_STATUS_PMU_IRQ (1u << 6)
#define EDGE_ETHOSU_STATUS_WATCHDOG (1u << 7)
#define EDGE_ETHOSU_STATUS_ECC (1u << 8)

#define EDGE_ETHOSU_CMD_RUN (1u << 0)
#define EDGE_ETHOSU_CMD_CLEAR_IRQ (1u << 1)
/* Kept, unlike the others, and set after a reset: whether clock and power may go off while it is
 * idle (Arm calls them clock_q_enable and power_q_enable). */
#define EDGE_ETHOSU_CMD_CLOCK_OFF (1u << 2)
#define EDGE_ETHOSU_CMD_POWER_OFF (1u << 3)

/* RESET requests a level, PROT shows it. */
#define EDGE_ETHOSU_PROT_PRIVILEGED (1u << 0)
#define EDGE_ETHOSU_PROT_NON_SECURE (1u << 1)
#define EDGE_ETHOSU_PROT_MASK 3u

/* CONFIG, and the first word of a payload's OPTIMIZER_CONFIG */
#define EDGE_ETHOSU_CONFIG_MACS_LOG2(config) ((config) & 0xFu)
#define EDGE_ETHOSU_CONFIG_STREAM_VERSION(config) ((config) >> 4 & 0xFu)
#define EDGE_ETHOSU_CONFIG_SHRAM_KB(config) ((config) >> 8 & 0xFFu)
#define EDGE_ETHOSU_CONFIG_CUSTOM_DMA(config) ((config) >> 27 & 1u)
#define EDGE_ETHOSU_CONFIG_PRODUCT(config) ((config) >> 28) /* edge_ethosu_product names it */

/* ID, and the second word */
#define EDGE_ETHOSU_ID_ARCH_MAJOR(id) ((id) >> 28)
#define EDGE_ETHOSU_ID_ARCH_MINOR(id) ((id) >> 20 & 0xFFu)

#define EDGE_ETHOSU_PMCR_ENABLE (1u << 0)
#define EDGE_ETHOSU_PMCR_RESET_EVENTS (1u << 1)
#define EDGE_ETHOSU_PMCR_RESET_CYCLES (1u << 2)
/* PMCCNTR_CFG: the events from and to which cycles are counted; as after a reset, never. */
#define EDGE_ETHOSU_PMCCNTR_FROM_TO(start, stop) ((start) | (stop) << 16)
#define EDGE_ETHOSU_PMCNT_EVENTS 0xFu
#define EDGE_ETHOSU_PMCNT_CYCLES (1u << 31)
#define EDGE_ETHOSU_EVENT_NPU_IDLE 0x020u
#define EDGE_ETHOSU_EVENT_NPU_ACTIVE 0x023u
#define EDGE_ETHOSU_EVENT_MAC_ACTIVE 0x030u
#define EDGE_ETHOSU_EVENT_AXI0_READ_BEAT 0x082u
#define EDGE_ETHOSU_EVENT_AXI0_WRITE_BEAT 0x087u
#define EDGE_ETHOSU_EVENT_AXI1_READ_BEAT 0x182u

#endif
