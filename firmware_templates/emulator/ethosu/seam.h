/* The emulated NPU behind the seam of the runtime's driver (edge/npu.h). */
#ifndef EDGE_EMULATOR_ETHOSU_SEAM_H
#define EDGE_EMULATOR_ETHOSU_SEAM_H

#include "edge/npu.h"
#include "ethosu/ethosu.h"

/* Let the NPU reach memory of this machine, at an address that edge_ethosu_seam's functions know
 * and that has the same place in 16 bytes. NO_MEMORY: no window or no address is left. */
edge_status_t edge_ethosu_map(edge_ethosu_t *npu, void *data, uint64_t bytes, bool writable);

/* Let the NPU reach memory of this machine at an address of the caller's choice. NO_MEMORY: no
 * window is left, or it ends beyond 32 bits. */
edge_status_t edge_ethosu_place(edge_ethosu_t *npu, uint64_t base, void *data, uint64_t bytes,
                                bool writable);

/* Functions over `npu`, which stays the caller's. A pointer outside of all windows has no address,
 * so that the driver refuses the job. */
edge_npu_t edge_ethosu_seam(edge_ethosu_t *npu);

#endif
