/* The NPU of a process, emulated in it. */
#ifndef EDGE_HOST_NPU_H
#define EDGE_HOST_NPU_H

#include "edge/port.h"

/* Reaches the regions that `info` names. (npu_emulator.c) */
edge_npu_t *edge_host_npu(const edge_port_info_t *info);

#endif
