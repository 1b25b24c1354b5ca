#include "driver.h"

#include <stddef.h>

#include "registers.h"
#include "stream.h"

#define RESET_READS 100000u /* of STATUS until a reset must have ended */
#define WAKES 1000u         /* by something else than the end of the job */
#define ERRORS                                                                                     \
  (EDGE_ETHOSU_STATUS_BUS | EDGE_ETHOSU_STATUS_PARSE | EDGE_ETHOSU_STATUS_WATCHDOG |               \
   EDGE_ETHOSU_STATUS_ECC)
#define COUNTERS (EDGE_ETHOSU_PMCNT_CYCLES | EDGE_ETHOSU_PMCNT_EVENTS)

static uint32_t reg(const edge_npu_t *npu, uint32_t offset) {
  return npu->read(npu->device, offset);
}

static void set(const edge_npu_t *npu, uint32_t offset, uint32_t value) {
  npu->write(npu->device, offset, value);
}

edge_status_t edge_ethosu_identify(const edge_npu_t *npu, uint32_t config, uint32_t id) {
  const uint32_t own = reg(npu, EDGE_ETHOSU_REG_CONFIG), own_id = reg(npu, EDGE_ETHOSU_REG_ID);
  const bool same =
      EDGE_ETHOSU_CONFIG_PRODUCT(own) == EDGE_ETHOSU_CONFIG_PRODUCT(config) &&
      EDGE_ETHOSU_CONFIG_MACS_LOG2(own) == EDGE_ETHOSU_CONFIG_MACS_LOG2(config) &&
      EDGE_ETHOSU_CONFIG_SHRAM_KB(own) == EDGE_ETHOSU_CONFIG_SHRAM_KB(config) &&
      EDGE_ETHOSU_CONFIG_STREAM_VERSION(own) == EDGE_ETHOSU_CONFIG_STREAM_VERSION(config) &&
      EDGE_ETHOSU_CONFIG_CUSTOM_DMA(own) >= EDGE_ETHOSU_CONFIG_CUSTOM_DMA(config) &&
      EDGE_ETHOSU_ID_ARCH_MAJOR(own_id) == EDGE_ETHOSU_ID_ARCH_MAJOR(id) &&
      EDGE_ETHOSU_ID_ARCH_MINOR(own_id) >= EDGE_ETHOSU_ID_ARCH_MINOR(id);
  return same ? EDGE_OK : EDGE_NPU_CONFIG;
}

static bool at_level(const edge_npu_t *npu) {
  const uint32_t other = reg(npu, EDGE_ETHOSU_REG_PROT) ^ npu->protection;
  return (other & EDGE_ETHOSU_PROT_MASK) == 0;
}

edge_status_t edge_ethosu_reset(const edge_npu_t *npu) {
  set(npu, EDGE_ETHOSU_REG_RESET, npu->protection & EDGE_ETHOSU_PROT_MASK);
  uint32_t left = RESET_READS;
  while ((reg(npu, EDGE_ETHOSU_REG_STATUS) & EDGE_ETHOSU_STATUS_RESET) != 0) {
    if (--left == 0) {
      return EDGE_NPU_TIMEOUT;
    }
  }
  return at_level(npu) ? EDGE_OK : EDGE_NPU_SECURITY;
}

/* Between jobs it may lose clock and power, as after a reset, and with them all that was set: from
 * here to rest() it may not. */
static void stay_awake(const edge_npu_t *npu) { set(npu, EDGE_ETHOSU_REG_CMD, 0); }

static void rest(const edge_npu_t *npu) {
  set(npu, EDGE_ETHOSU_REG_CMD, EDGE_ETHOSU_CMD_CLOCK_OFF | EDGE_ETHOSU_CMD_POWER_OFF);
}

/* Awake, stopped, at its level, with nothing left of an earlier job; a reset where it is not. */
static edge_status_t make_ready(const edge_npu_t *npu) {
  stay_awake(npu);
  const uint32_t busy = EDGE_ETHOSU_STATUS_RUNNING | EDGE_ETHOSU_STATUS_IRQ |
                        EDGE_ETHOSU_STATUS_RESET | EDGE_ETHOSU_STATUS_PMU_IRQ | ERRORS;
  if ((reg(npu, EDGE_ETHOSU_REG_STATUS) & busy) == 0 && at_level(npu)) {
    return EDGE_OK;
  }
  const edge_status_t status = edge_ethosu_reset(npu);
  if (status == EDGE_OK) { /* else there is no job that would let it rest again */
    stay_awake(npu);
  }
  return status;
}

/* Where `bytes` at `data` begin for the NPU; false where it cannot reach them. */
static bool find(const edge_npu_t *npu, uint32_t config, const void *data, uint32_t bytes,
                 uint64_t *address) {
  const uint32_t bits = edge_ethosu_product(config) == EDGE_ETHOSU_U55 ? 32 : 40;
  const uint64_t end = (uint64_t)1 << bits;
  *address = npu->address == NULL ? (uintptr_t)data : npu->address(npu->device, data);
  return *address % EDGE_ETHOSU_ALIGN == 0 && bytes <= end && *address <= end - bytes;
}

static void set_address(const edge_npu_t *npu, uint32_t offset, uint64_t address) {
  set(npu, offset, (uint32_t)address);
  set(npu, offset + 4, (uint32_t)(address >> 32));
}

static void set_up(const edge_npu_t *npu, uint32_t stream_bytes, uint64_t stream,
                   const uint64_t *regions) {
  for (uint32_t i = 0; i < 4; i++) {
    set(npu, EDGE_ETHOSU_REG_AXI_LIMIT(i), npu->axi_limit[i]);
  }
  set(npu, EDGE_ETHOSU_REG_QCONFIG, npu->queue_config);
  set(npu, EDGE_ETHOSU_REG_REGIONCFG, npu->region_config);
  set_address(npu, EDGE_ETHOSU_REG_QBASE, stream);
  set(npu, EDGE_ETHOSU_REG_QSIZE, stream_bytes);
  for (uint32_t i = 0; i < EDGE_ETHOSU_JOB_REGIONS; i++) {
    set_address(npu, EDGE_ETHOSU_REG_BASEP(i), regions[i]);
  }
}

static void start_counters(const edge_npu_t *npu) {
  static const uint16_t events[EDGE_NPU_EVENTS] = {
      EDGE_ETHOSU_EVENT_MAC_ACTIVE, EDGE_ETHOSU_EVENT_AXI0_READ_BEAT,
      EDGE_ETHOSU_EVENT_AXI0_WRITE_BEAT, EDGE_ETHOSU_EVENT_AXI1_READ_BEAT};
  set(npu, EDGE_ETHOSU_REG_PMCR,
      EDGE_ETHOSU_PMCR_ENABLE | EDGE_ETHOSU_PMCR_RESET_EVENTS | EDGE_ETHOSU_PMCR_RESET_CYCLES);
  for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
    set(npu, EDGE_ETHOSU_REG_PMEVTYPER(i), events[i]);
  }
  set(npu, EDGE_ETHOSU_REG_PMCCNTR_CFG,
      EDGE_ETHOSU_PMCCNTR_FROM_TO(EDGE_ETHOSU_EVENT_NPU_ACTIVE, EDGE_ETHOSU_EVENT_NPU_IDLE));
  set(npu, EDGE_ETHOSU_REG_PMCNTENSET, COUNTERS);
}

static void add_counters(edge_npu_t *npu) {
  set(npu, EDGE_ETHOSU_REG_PMCNTENCLR, COUNTERS);
  const uint64_t high = reg(npu, EDGE_ETHOSU_REG_PMCCNTR_HI);
  npu->counts.cycles += high << 32 | reg(npu, EDGE_ETHOSU_REG_PMCCNTR_LO);
  for (uint32_t i = 0; i < EDGE_NPU_EVENTS; i++) {
    npu->counts.events[i] += reg(npu, EDGE_ETHOSU_REG_PMEVCNTR(i));
  }
  npu->counts.jobs++;
}

/* What STATUS says of a job that has raised its interrupt. */
static edge_status_t outcome(uint32_t status) {
  if ((status & EDGE_ETHOSU_STATUS_BUS) != 0) {
    return EDGE_NPU_BUS;
  }
  if ((status & EDGE_ETHOSU_STATUS_PARSE) != 0) {
    return EDGE_NPU_PARSE;
  }
  const bool ended = (status & EDGE_ETHOSU_STATUS_END) != 0;
  const uint32_t wrong = ERRORS | EDGE_ETHOSU_STATUS_RUNNING | EDGE_ETHOSU_STATUS_RESET;
  return ended && (status & wrong) == 0 ? EDGE_OK : EDGE_NPU_FAULT;
}

static edge_status_t await_end(const edge_npu_t *npu) {
  bool in_time = true;
  for (uint32_t i = 0; i < WAKES; i++) {
    const uint32_t status = reg(npu, EDGE_ETHOSU_REG_STATUS);
    if ((status & EDGE_ETHOSU_STATUS_IRQ) != 0) {
      return outcome(status);
    }
    if (!in_time) {
      break;
    }
    in_time = npu->wait(npu->device);
  }
  return EDGE_NPU_TIMEOUT;
}

/* Scratch and fast scratch may be one. */
static bool has_own_fast(const edge_ethosu_job_t *job) {
  return job->regions[2].bytes > 0 && job->regions[2].data != job->regions[1].data;
}

static void clean(const edge_npu_t *npu, const edge_ethosu_job_t *job) {
  if (npu->clean != NULL) {
    npu->clean(npu->device, job->regions[1].data, job->regions[1].bytes);
    if (has_own_fast(job)) {
      npu->clean(npu->device, job->regions[2].data, job->regions[2].bytes);
    }
  }
}

static void invalidate(const edge_npu_t *npu, const edge_ethosu_job_t *job) {
  if (npu->invalidate != NULL) {
    npu->invalidate(npu->device, job->regions[1].data, job->regions[1].bytes);
    if (has_own_fast(job)) {
      npu->invalidate(npu->device, job->regions[2].data, job->regions[2].bytes);
    }
  }
}

edge_status_t edge_ethosu_run(edge_npu_t *npu, const edge_ethosu_job_t *job) {
  uint64_t stream, regions[EDGE_ETHOSU_JOB_REGIONS] = {0};
  if (!find(npu, job->config, job->stream, job->stream_bytes, &stream)) {
    return EDGE_NPU_BOUNDS;
  }
  for (uint32_t i = 0; i < EDGE_ETHOSU_JOB_REGIONS; i++) {
    const edge_ethosu_region_t *region = &job->regions[i];
    if (region->bytes > 0 && !find(npu, job->config, region->data, region->bytes, &regions[i])) {
      return EDGE_NPU_BOUNDS;
    }
  }
  edge_status_t status = make_ready(npu);
  if (status != EDGE_OK) {
    return status;
  }
  set_up(npu, job->stream_bytes, stream, regions);
  start_counters(npu);
  clean(npu, job);
  set(npu, EDGE_ETHOSU_REG_CMD, EDGE_ETHOSU_CMD_RUN);
  status = await_end(npu);
  set(npu, EDGE_ETHOSU_REG_CMD, EDGE_ETHOSU_CMD_CLEAR_IRQ);
  if (status == EDGE_OK) {
    add_counters(npu);
    rest(npu);
  } else {
    (void)edge_ethosu_reset(npu); /* which also rests; where it fails, the next job finds out */
  }
  invalidate(npu, job);
  return status;
}
