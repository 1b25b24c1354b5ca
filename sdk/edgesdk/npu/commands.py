"""Every command of an Ethos-U55 and U65: the mirror of runtime/npu/ethosu/commands.def.

A command is one or two 32-bit words: the code in the low 16 bits of the first, a parameter in its
high 16, and a second word where the code has bit 14. Names and codes as Vela publishes them
(ethos_u55_regs.py, Apache-2.0), less the prefixes NPU_OP_ and NPU_SET_.
"""

from dataclasses import dataclass
from typing import Literal

PAYLOAD = 0x4000

Form = Literal["operation", "raw", "count", "length", "address", "stride", "scale"]


@dataclass(frozen=True)
class Command:
    """What a code means. `form` says what a register's value is made of.

    raw: the parameter. count: the parameter plus one. length: the second word. address: 40 bits,
    the high 8 in the parameter. stride: as address, signed. scale: a multiplier in the second word
    and a shift in the parameter.
    """

    name: str
    code: int
    form: Form
    u55: bool

    @property
    def words(self) -> int:
        """Length of the command in 32-bit words."""
        return 2 if self.code & PAYLOAD else 1


# form, name, code, and u65 where the U55 has it not
_TABLE = """
operation STOP 0x0000
operation IRQ 0x0001
operation CONV 0x0002
operation DEPTHWISE 0x0003
operation POOL 0x0005
operation ELEMENTWISE 0x0006
operation DMA_START 0x0010
operation DMA_WAIT 0x0011
operation KERNEL_WAIT 0x0012
operation PMU_MASK 0x0013
raw IFM_PAD_TOP 0x0100
raw IFM_PAD_LEFT 0x0101
raw IFM_PAD_RIGHT 0x0102
raw IFM_PAD_BOTTOM 0x0103
count IFM_DEPTH_M1 0x0104
raw IFM_PRECISION 0x0105
raw IFM_UPSCALE 0x0107
raw IFM_ZERO_POINT 0x0109
count IFM_WIDTH0_M1 0x010A
count IFM_HEIGHT0_M1 0x010B
count IFM_HEIGHT1_M1 0x010C
raw IFM_IB_END 0x010D
raw IFM_REGION 0x010F
count OFM_WIDTH_M1 0x0111
count OFM_HEIGHT_M1 0x0112
count OFM_DEPTH_M1 0x0113
raw OFM_PRECISION 0x0114
count OFM_BLK_WIDTH_M1 0x0115
count OFM_BLK_HEIGHT_M1 0x0116
count OFM_BLK_DEPTH_M1 0x0117
raw OFM_ZERO_POINT 0x0118
count OFM_WIDTH0_M1 0x011A
count OFM_HEIGHT0_M1 0x011B
count OFM_HEIGHT1_M1 0x011C
raw OFM_REGION 0x011F
count KERNEL_WIDTH_M1 0x0120
count KERNEL_HEIGHT_M1 0x0121
raw KERNEL_STRIDE 0x0122
raw PARALLEL_MODE 0x0123 u65
raw ACC_FORMAT 0x0124
raw ACTIVATION 0x0125
raw ACTIVATION_MIN 0x0126
raw ACTIVATION_MAX 0x0127
raw WEIGHT_REGION 0x0128
raw SCALE_REGION 0x0129
raw AB_START 0x012D
raw BLOCKDEP 0x012F
raw DMA0_SRC_REGION 0x0130
raw DMA0_DST_REGION 0x0131
raw DMA0_SIZE0 0x0132 u65
raw DMA0_SIZE1 0x0133 u65
raw IFM2_BROADCAST 0x0180
raw IFM2_SCALAR 0x0181
raw IFM2_PRECISION 0x0185
raw IFM2_ZERO_POINT 0x0189
count IFM2_WIDTH0_M1 0x018A
count IFM2_HEIGHT0_M1 0x018B
count IFM2_HEIGHT1_M1 0x018C
raw IFM2_IB_START 0x018D
raw IFM2_REGION 0x018F
address IFM_BASE0 0x4000
address IFM_BASE1 0x4001
address IFM_BASE2 0x4002
address IFM_BASE3 0x4003
stride IFM_STRIDE_X 0x4004
stride IFM_STRIDE_Y 0x4005
stride IFM_STRIDE_C 0x4006
address OFM_BASE0 0x4010
address OFM_BASE1 0x4011
address OFM_BASE2 0x4012
address OFM_BASE3 0x4013
stride OFM_STRIDE_X 0x4014
stride OFM_STRIDE_Y 0x4015
stride OFM_STRIDE_C 0x4016
address WEIGHT_BASE 0x4020
length WEIGHT_LENGTH 0x4021
address SCALE_BASE 0x4022
length SCALE_LENGTH 0x4023
scale OFM_SCALE 0x4024
scale OPA_SCALE 0x4025
scale OPB_SCALE 0x4026
address DMA0_SRC 0x4030
address DMA0_DST 0x4031
address DMA0_LEN 0x4032
stride DMA0_SKIP0 0x4033 u65
stride DMA0_SKIP1 0x4034 u65
address IFM2_BASE0 0x4080
address IFM2_BASE1 0x4081
address IFM2_BASE2 0x4082
address IFM2_BASE3 0x4083
stride IFM2_STRIDE_X 0x4084
stride IFM2_STRIDE_Y 0x4085
stride IFM2_STRIDE_C 0x4086
address WEIGHT1_BASE 0x4090 u65
length WEIGHT1_LENGTH 0x4091 u65
address SCALE1_BASE 0x4092 u65
length SCALE1_LENGTH 0x4093 u65
"""


def _command(line: str) -> Command:
    form, name, code, *only = line.split()
    return Command(name, int(code, 16), form, "u65" not in only)  # type: ignore[arg-type]


COMMANDS = {command.code: command for command in map(_command, _TABLE.split("\n")[1:-1])}
CODES = {command.name: command.code for command in COMMANDS.values()}
