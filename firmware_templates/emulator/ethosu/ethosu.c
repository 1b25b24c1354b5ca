/* Registers and jobs. */
#include "ethosu/ethosu.h"

#include <stddef.h>
#include <string.h>

#include "ethosu/job.h"
#include "npu/ethosu/registers.h"

#define ARCHITECTURE 0x10060000u /* 1.0.6, the one that Vela 5.2.0 writes into its payloads */
#define CMD_AT_RESET (EDGE_ETHOSU_CMD_CLOCK_OFF | EDGE_ETHOSU_CMD_POWER_OFF)
#define HISTORY_SHIFT 16u
#define COUNTERS_SHIFT 11u /* PMCR: how many event counters there are */
#define EVENT_AXI1_WRITE_BEAT 0x187u

/* Cores that exist; ublocks as Vela gives them (architecture_features.py). */
static const struct core {
  uint32_t product;
  uint32_t macs_log2;
  uint32_t shram_kb; /* of all cores */
  uint32_t cores;
  uint32_t ofm_ublock;
  uint32_t ifm_ublock;
} cores[] = {
    {EDGE_ETHOSU_U55, 5, 16, 1, 4, 8}, {EDGE_ETHOSU_U55, 6, 16, 1, 8, 8},
    {EDGE_ETHOSU_U55, 7, 24, 1, 8, 8}, {EDGE_ETHOSU_U55, 8, 48, 1, 8, 8},
    {EDGE_ETHOSU_U65, 8, 48, 1, 8, 8}, {EDGE_ETHOSU_U65, 9, 96, 2, 8, 8},
};

static const struct core *find_core(uint32_t config) {
  for (size_t i = 0; i < sizeof cores / sizeof *cores; i++) {
    if (cores[i].product == edge_ethosu_product(config) &&
        cores[i].macs_log2 == EDGE_ETHOSU_CONFIG_MACS_LOG2(config) &&
        cores[i].shram_kb == EDGE_ETHOSU_CONFIG_SHRAM_KB(config) &&
        EDGE_ETHOSU_CONFIG_STREAM_VERSION(config) == 0u) {
      return &cores[i];
    }
  }
  return NULL;
}

static void reset(edge_ethosu_t *npu, uint32_t protection) {
  npu->status = 0;
  npu->protection = protection & EDGE_ETHOSU_PROT_MASK;
  npu->queue_base = 0;
  npu->queue_config = npu->queue_bytes = npu->queue_read = npu->region_config = 0;
  memset(npu->axi_limit, 0, sizeof npu->axi_limit);
  memset(npu->base, 0, sizeof npu->base);
  npu->counters = (edge_ethosu_counters_t){0};
}

edge_status_t edge_ethosu_init(edge_ethosu_t *npu, uint32_t config,
                               const edge_ethosu_window_t *windows, uint32_t count, void *work,
                               uint64_t work_bytes) {
  const struct core *core = find_core(config);
  if (core == NULL || count > EDGE_ETHOSU_WINDOWS) {
    return EDGE_BAD_ARGUMENT;
  }
  memset(npu, 0, sizeof *npu);
  npu->config = config;
  npu->id = ARCHITECTURE;
  npu->window_count = count;
  for (uint32_t i = 0; i < count; i++) {
    npu->windows[i] = windows[i];
  }
  npu->work = work;
  npu->work_bytes = work_bytes;
  npu->limit = EDGE_ETHOSU_LIMIT;
  npu->strict = true;
  npu->ofm_ublock = core->ofm_ublock;
  npu->ifm_ublock = core->ifm_ublock;
  npu->shram_bytes = core->shram_kb / core->cores * 1024u;
  edge_emu_make_curve(npu->curve);
  reset(npu, 0);
  return EDGE_OK;
}

/* REGIONCFG: two bits per region, the higher one is the AXI port. */
void edge_emu_count(edge_ethosu_t *npu, uint32_t region, uint64_t bytes, bool write) {
  edge_ethosu_counters_t *counters = &npu->counters;
  bool second = (npu->region_config >> (2u * (region & 7u) + 1u) & 1u) != 0u;
  uint32_t event =
      second ? (write ? EVENT_AXI1_WRITE_BEAT : EDGE_ETHOSU_EVENT_AXI1_READ_BEAT)
             : (write ? EDGE_ETHOSU_EVENT_AXI0_WRITE_BEAT : EDGE_ETHOSU_EVENT_AXI0_READ_BEAT);
  uint32_t beat = edge_ethosu_product(npu->config) == EDGE_ETHOSU_U65 ? 16u : 8u;
  for (uint32_t i = 0; i < 4u; i++) {
    if ((counters->control & EDGE_ETHOSU_PMCR_ENABLE) != 0u &&
        (counters->enabled >> i & 1u) != 0u && counters->types[i] == event) {
      counters->events[i] += (bytes + beat - 1u) / beat;
    }
  }
}

static bool run_operation(edge_ethosu_t *npu, const edge_ethosu_command_t *command) {
  switch (command->code) {
  case EDGE_ETHOSU_OP_CONV:
  case EDGE_ETHOSU_OP_DEPTHWISE:
    return edge_emu_convolve(npu, command->code == EDGE_ETHOSU_OP_DEPTHWISE);
  case EDGE_ETHOSU_OP_POOL:
    return edge_emu_pool(npu, command->param);
  case EDGE_ETHOSU_OP_ELEMENTWISE:
    return edge_emu_elementwise(npu, command->param);
  case EDGE_ETHOSU_OP_DMA_START:
    return edge_emu_transfer(npu);
  case EDGE_ETHOSU_OP_IRQ:
    npu->status |= EDGE_ETHOSU_STATUS_IRQ | command->param << HISTORY_SHIFT;
    return true;
  default: /* waits: every operation has ended when the next one begins */
    return true;
  }
}

static void count_output(edge_ethosu_t *npu, uint32_t code) {
  if (code >= EDGE_ETHOSU_OP_CONV && code <= EDGE_ETHOSU_OP_ELEMENTWISE) {
    const edge_ethosu_fm_t *ofm = &npu->state.ofm;
    edge_emu_count(npu, ofm->region,
                   (uint64_t)ofm->width * ofm->height * ofm->depth * edge_ethosu_ofm_bytes(ofm),
                   true);
  }
}

/* Faults in the order of edge_hazard_kind_t. */
#define FAULT_OF_HAZARD(kind) ((kind) - EDGE_HAZARD_TRANSFER + EDGE_ETHOSU_FAULT_TRANSFER)
_Static_assert(FAULT_OF_HAZARD(EDGE_HAZARD_ALIGNMENT) == EDGE_ETHOSU_FAULT_ALIGNMENT, "same order");

static bool would_be_forgiven(edge_ethosu_t *npu, const edge_ethosu_command_t *command) {
  edge_ethosu_accesses_t accesses;
  const uint32_t strides = EDGE_ETHOSU_DMA_STRIDES(npu->state.dma_src_region) |
                           EDGE_ETHOSU_DMA_STRIDES(npu->state.dma_dst_region);
  if (command->code == EDGE_ETHOSU_OP_DMA_START && strides != 0u) {
    return true; /* rows and planes, which Vela does not emit, are not judged */
  }
  if (edge_ethosu_accesses(&npu->state, command, npu->config, &accesses) != EDGE_OK) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_OPERATION, npu->state.ofm.region, 0);
  }
  const edge_hazard_t found = edge_hazards_next(&npu->hazards, &npu->state, command, &accesses);
  if (npu->hazards.left == 0u) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_WORK, npu->state.ofm.region, 0);
  }
  if (found.kind == EDGE_HAZARD_NONE) {
    return true;
  }
  npu->fault.other = found.other;
  return edge_emu_fail(npu, (edge_ethosu_fault_kind_t)FAULT_OF_HAZARD(found.kind), found.region,
                       (uint64_t)found.address);
}

/* Runs from QBASE to STOP or a fault; the word of the fault where there is one. */
static bool run_queue(edge_ethosu_t *npu) {
  const uint32_t *words = NULL;
  for (uint32_t i = 0; i < npu->window_count && words == NULL; i++) {
    const edge_ethosu_window_t *window = &npu->windows[i];
    uint64_t offset = npu->queue_base - window->base;
    if (offset < window->bytes && npu->queue_bytes <= window->bytes - offset &&
        ((uintptr_t)(window->data + offset) & 3u) == 0u) {
      words = (const uint32_t *)(const void *)(window->data + offset);
    }
  }
  if (words == NULL || (npu->queue_bytes & 3u) != 0u) {
    return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_QUEUE, 0, npu->queue_base);
  }
  edge_ethosu_begin(&npu->cursor, &npu->state, words, npu->queue_bytes / 4u,
                    edge_ethosu_product(npu->config));
  edge_hazards_begin(&npu->hazards, npu->config);
  npu->left = npu->limit;
  for (;;) {
    edge_ethosu_command_t command;
    if (edge_ethosu_next(&npu->cursor, &npu->state, &command) != EDGE_OK) {
      npu->fault.at = npu->cursor.at;
      return edge_emu_fail(npu, EDGE_ETHOSU_FAULT_STREAM, 0, npu->queue_base);
    }
    npu->fault.at = npu->fault.other = command.at;
    if (command.code == EDGE_ETHOSU_OP_STOP) {
      npu->status |= EDGE_ETHOSU_STATUS_END | command.param << HISTORY_SHIFT;
      return true;
    }
    if (!run_operation(npu, &command) || (npu->strict && !would_be_forgiven(npu, &command))) {
      return false;
    }
    count_output(npu, command.code);
  }
}

static uint32_t status_bit(uint32_t kind) {
  bool bus = kind == EDGE_ETHOSU_FAULT_QUEUE || kind == EDGE_ETHOSU_FAULT_READ ||
             kind == EDGE_ETHOSU_FAULT_WRITE;
  return bus ? EDGE_ETHOSU_STATUS_BUS : EDGE_ETHOSU_STATUS_PARSE;
}

/* A job to its end: STOP, or the first fault. An NPU that stands on an error needs a reset. */
static void run_job(edge_ethosu_t *npu) {
  if ((npu->status & (EDGE_ETHOSU_STATUS_BUS | EDGE_ETHOSU_STATUS_PARSE)) != 0u) {
    return;
  }
  npu->status &= ~EDGE_ETHOSU_STATUS_END;
  npu->fault = (edge_ethosu_fault_t){0};
  if (!run_queue(npu)) {
    npu->status |= status_bit(npu->fault.kind);
  }
  npu->status |= EDGE_ETHOSU_STATUS_IRQ;
  npu->queue_read = npu->fault.at * 4u;
}

static void command(edge_ethosu_t *npu, uint32_t value) {
  if ((value & EDGE_ETHOSU_CMD_CLEAR_IRQ) != 0u) {
    npu->status &= ~(uint32_t)EDGE_ETHOSU_STATUS_IRQ;
  }
  npu->status &= ~(value & 0xffff0000u);
  if ((value & EDGE_ETHOSU_CMD_RUN) != 0u) {
    run_job(npu);
  }
}

static uint64_t with_half(uint64_t old, uint32_t offset, uint32_t value) {
  return (offset & 4u) != 0u ? (old & 0xffffffffu) | (uint64_t)value << 32
                             : (old & ~(uint64_t)0xffffffffu) | value;
}

static bool in_range(uint32_t offset, uint32_t first, uint32_t bytes) {
  return offset >= first && offset - first < bytes;
}

static uint32_t read_counters(const edge_ethosu_counters_t *counters, uint32_t offset) {
  switch (offset) {
  case EDGE_ETHOSU_REG_PMCR:
    return (counters->control & EDGE_ETHOSU_PMCR_ENABLE) | 4u << COUNTERS_SHIFT;
  case EDGE_ETHOSU_REG_PMCNTENSET:
  case EDGE_ETHOSU_REG_PMCNTENCLR:
    return counters->enabled;
  case EDGE_ETHOSU_REG_PMOVSSET:
  case EDGE_ETHOSU_REG_PMOVSCLR:
    return counters->overflow;
  case EDGE_ETHOSU_REG_PMINTSET:
  case EDGE_ETHOSU_REG_PMINTCLR:
    return counters->interrupts;
  case EDGE_ETHOSU_REG_PMCCNTR_CFG:
    return counters->cycle_config;
  default:
    break;
  }
  if (in_range(offset, EDGE_ETHOSU_REG_PMEVCNTR(0), 16u)) {
    return (uint32_t)counters->events[(offset & 15u) / 4u];
  }
  return in_range(offset, EDGE_ETHOSU_REG_PMEVTYPER(0), 16u) ? counters->types[(offset & 15u) / 4u]
                                                             : 0u;
}

static void write_counters(edge_ethosu_counters_t *counters, uint32_t offset, uint32_t value) {
  const uint32_t all = EDGE_ETHOSU_PMCNT_CYCLES | EDGE_ETHOSU_PMCNT_EVENTS;
  switch (offset) {
  case EDGE_ETHOSU_REG_PMCR:
    counters->control = value;
    if ((value & EDGE_ETHOSU_PMCR_RESET_EVENTS) != 0u) {
      memset(counters->events, 0, sizeof counters->events);
    }
    break;
  case EDGE_ETHOSU_REG_PMCNTENSET:
    counters->enabled |= value & all;
    break;
  case EDGE_ETHOSU_REG_PMCNTENCLR:
    counters->enabled &= ~value;
    break;
  case EDGE_ETHOSU_REG_PMOVSSET:
    counters->overflow |= value & all;
    break;
  case EDGE_ETHOSU_REG_PMOVSCLR:
    counters->overflow &= ~value;
    break;
  case EDGE_ETHOSU_REG_PMINTSET:
    counters->interrupts |= value & all;
    break;
  case EDGE_ETHOSU_REG_PMINTCLR:
    counters->interrupts &= ~value;
    break;
  case EDGE_ETHOSU_REG_PMCCNTR_CFG:
    counters->cycle_config = value;
    break;
  default:
    if (in_range(offset, EDGE_ETHOSU_REG_PMEVCNTR(0), 16u)) {
      counters->events[(offset & 15u) / 4u] = value;
    } else if (in_range(offset, EDGE_ETHOSU_REG_PMEVTYPER(0), 16u)) {
      counters->types[(offset & 15u) / 4u] = value & 0x3ffu;
    }
    break;
  }
}

uint32_t edge_ethosu_read(edge_ethosu_t *npu, uint32_t offset) {
  switch (offset) {
  case EDGE_ETHOSU_REG_ID:
    return npu->id;
  case EDGE_ETHOSU_REG_STATUS:
    return npu->status;
  case EDGE_ETHOSU_REG_CMD:
    return CMD_AT_RESET;
  case EDGE_ETHOSU_REG_QBASE:
    return (uint32_t)npu->queue_base;
  case EDGE_ETHOSU_REG_QBASE + 4u:
    return (uint32_t)(npu->queue_base >> 32);
  case EDGE_ETHOSU_REG_QREAD:
    return npu->queue_read;
  case EDGE_ETHOSU_REG_QCONFIG:
    return npu->queue_config;
  case EDGE_ETHOSU_REG_QSIZE:
    return npu->queue_bytes;
  case EDGE_ETHOSU_REG_PROT:
    return npu->protection;
  case EDGE_ETHOSU_REG_CONFIG:
    return npu->config;
  case EDGE_ETHOSU_REG_REGIONCFG:
    return npu->region_config;
  default:
    break;
  }
  if ((offset & 3u) != 0u) {
    return 0;
  }
  if (in_range(offset, EDGE_ETHOSU_REG_AXI_LIMIT(0), 16u)) {
    return npu->axi_limit[(offset & 15u) / 4u];
  }
  if (in_range(offset, EDGE_ETHOSU_REG_BASEP(0), 64u)) {
    return (uint32_t)(npu->base[(offset & 63u) / 8u] >> ((offset & 4u) * 8u));
  }
  return read_counters(&npu->counters, offset);
}

void edge_ethosu_write(edge_ethosu_t *npu, uint32_t offset, uint32_t value) {
  switch (offset) {
  case EDGE_ETHOSU_REG_CMD:
    command(npu, value);
    return;
  case EDGE_ETHOSU_REG_RESET:
    reset(npu, value);
    return;
  case EDGE_ETHOSU_REG_QBASE:
  case EDGE_ETHOSU_REG_QBASE + 4u:
    npu->queue_base = with_half(npu->queue_base, offset, value);
    npu->status &= ~(uint32_t)EDGE_ETHOSU_STATUS_END;
    return;
  case EDGE_ETHOSU_REG_QCONFIG:
    npu->queue_config = value;
    return;
  case EDGE_ETHOSU_REG_QSIZE:
    npu->queue_bytes = value;
    npu->status &= ~(uint32_t)EDGE_ETHOSU_STATUS_END;
    return;
  case EDGE_ETHOSU_REG_REGIONCFG:
    npu->region_config = value & 0xffffu;
    return;
  default:
    break;
  }
  if ((offset & 3u) != 0u) {
    return;
  }
  if (in_range(offset, EDGE_ETHOSU_REG_AXI_LIMIT(0), 16u)) {
    npu->axi_limit[(offset & 15u) / 4u] = value;
  } else if (in_range(offset, EDGE_ETHOSU_REG_BASEP(0), 64u)) {
    uint64_t *base = &npu->base[(offset & 63u) / 8u];
    *base = with_half(*base, offset, value);
  } else {
    write_counters(&npu->counters, offset, value);
  }
}

const char *edge_ethosu_fault_text(uint32_t kind) {
#define EDGE_ETHOSU_FAULT_TEXT(name, text) text,
  static const char *const texts[] = {EDGE_ETHOSU_FAULT_LIST(EDGE_ETHOSU_FAULT_TEXT)};
  return kind < sizeof texts / sizeof *texts ? texts[kind] : "unknown fault";
}
