"""Every command of an Ethos-U55 and U65: the mirror of runtime/npu/ethosu/commands.def.

A command is one or two 32-bit words: the code in the low 16 bits of the first, a parameter in its
high 16, and a second word where the code has bit 14. Names and codes as Vela publishes them
(ethos_u55_regs.py, Apache-2.0), less the prefixes NPU_OP_ and NPU_SET_; masks as in Arm's
ethosu55_interface.h (Apache-2.0).
"""

from dataclasses import dataclass
from typing import Literal

PAYLOAD = 0x4000

Form = Literal["operation", "raw", "count", "length", "address", "stride", "scale"]


@dataclass(frozen=True)
class Command:
    """What a code means. `mask`: the parameter's bits that mean something.

    `form` says what a register's value is made of. raw: the parameter. count: the parameter plus
    one. length: the second word. address, stride: the second word, and in a U65 above it the 8
    bits of the parameter, strides signed. scale: a multiplier in the second word and a shift in
    the parameter.
    """

    name: str
    code: int
    mask: int
    form: Form
    u55: bool

    @property
    def words(self) -> int:
        """Length of the command in 32-bit words."""
        return 2 if self.code & PAYLOAD else 1


# form, name, code, mask, and u65 where the U55 has it not
_TABLE = """
operation STOP 0x0000 0xFFFF
operation IRQ 0x0001 0xFFFF
operation CONV 0x0002 0x0000
operation DEPTHWISE 0x0003 0x0000
operation POOL 0x0005 0x0007
operation ELEMENTWISE 0x0006 0x003F
operation DMA_START 0x0010 0x0000
operation DMA_WAIT 0x0011 0x000F
operation KERNEL_WAIT 0x0012 0x0003
operation PMU_MASK 0x0013 0x0001
raw IFM_PAD_TOP 0x0100 0x007F
raw IFM_PAD_LEFT 0x0101 0x007F
raw IFM_PAD_RIGHT 0x0102 0x00FF
raw IFM_PAD_BOTTOM 0x0103 0x00FF
count IFM_DEPTH_M1 0x0104 0xFFFF
raw IFM_PRECISION 0x0105 0xC3CD
raw IFM_UPSCALE 0x0107 0x0003
raw IFM_ZERO_POINT 0x0109 0xFFFF
count IFM_WIDTH0_M1 0x010A 0xFFFF
count IFM_HEIGHT0_M1 0x010B 0xFFFF
count IFM_HEIGHT1_M1 0x010C 0xFFFF
raw IFM_IB_END 0x010D 0x003F
raw IFM_REGION 0x010F 0x0007
count OFM_WIDTH_M1 0x0111 0xFFFF
count OFM_HEIGHT_M1 0x0112 0xFFFF
count OFM_DEPTH_M1 0x0113 0xFFFF
raw OFM_PRECISION 0x0114 0xC1C7
count OFM_BLK_WIDTH_M1 0x0115 0x003F
count OFM_BLK_HEIGHT_M1 0x0116 0x001F
count OFM_BLK_DEPTH_M1 0x0117 0x007F
raw OFM_ZERO_POINT 0x0118 0xFFFF
count OFM_WIDTH0_M1 0x011A 0xFFFF
count OFM_HEIGHT0_M1 0x011B 0xFFFF
count OFM_HEIGHT1_M1 0x011C 0xFFFF
raw OFM_REGION 0x011F 0x0007
count KERNEL_WIDTH_M1 0x0120 0xFFFF
count KERNEL_HEIGHT_M1 0x0121 0xFFFF
raw KERNEL_STRIDE 0x0122 0x027F
raw PARALLEL_MODE 0x0123 0x0001 u65
raw ACC_FORMAT 0x0124 0x0003
raw ACTIVATION 0x0125 0x701F
raw ACTIVATION_MIN 0x0126 0xFFFF
raw ACTIVATION_MAX 0x0127 0xFFFF
raw WEIGHT_REGION 0x0128 0x0007
raw SCALE_REGION 0x0129 0x0007
raw AB_START 0x012D 0x003F
raw BLOCKDEP 0x012F 0x0003
raw DMA0_SRC_REGION 0x0130 0x0707
raw DMA0_DST_REGION 0x0131 0x0707
raw DMA0_SIZE0 0x0132 0xFFFF
raw DMA0_SIZE1 0x0133 0xFFFF
raw IFM2_BROADCAST 0x0180 0x00C7
raw IFM2_SCALAR 0x0181 0xFFFF
raw IFM2_PRECISION 0x0185 0x00CD
raw IFM2_ZERO_POINT 0x0189 0xFFFF
count IFM2_WIDTH0_M1 0x018A 0xFFFF
count IFM2_HEIGHT0_M1 0x018B 0xFFFF
count IFM2_HEIGHT1_M1 0x018C 0xFFFF
raw IFM2_IB_START 0x018D 0x003F
raw IFM2_REGION 0x018F 0x0007
address IFM_BASE0 0x4000 0x00FF
address IFM_BASE1 0x4001 0x00FF
address IFM_BASE2 0x4002 0x00FF
address IFM_BASE3 0x4003 0x00FF
stride IFM_STRIDE_X 0x4004 0x00FF
stride IFM_STRIDE_Y 0x4005 0x00FF
stride IFM_STRIDE_C 0x4006 0x00FF
address OFM_BASE0 0x4010 0x00FF
address OFM_BASE1 0x4011 0x00FF
address OFM_BASE2 0x4012 0x00FF
address OFM_BASE3 0x4013 0x00FF
stride OFM_STRIDE_X 0x4014 0x00FF
stride OFM_STRIDE_Y 0x4015 0x00FF
stride OFM_STRIDE_C 0x4016 0x00FF
address WEIGHT_BASE 0x4020 0x00FF
length WEIGHT_LENGTH 0x4021 0x0000
address SCALE_BASE 0x4022 0x00FF
length SCALE_LENGTH 0x4023 0x0000
scale OFM_SCALE 0x4024 0x003F
scale OPA_SCALE 0x4025 0x003F
scale OPB_SCALE 0x4026 0x0000
address DMA0_SRC 0x4030 0x00FF
address DMA0_DST 0x4031 0x00FF
address DMA0_LEN 0x4032 0x00FF
stride DMA0_SKIP0 0x4033 0x00FF
stride DMA0_SKIP1 0x4034 0x00FF
address IFM2_BASE0 0x4080 0x00FF
address IFM2_BASE1 0x4081 0x00FF
address IFM2_BASE2 0x4082 0x00FF
address IFM2_BASE3 0x4083 0x00FF
stride IFM2_STRIDE_X 0x4084 0x00FF
stride IFM2_STRIDE_Y 0x4085 0x00FF
stride IFM2_STRIDE_C 0x4086 0x00FF
address WEIGHT1_BASE 0x4090 0x00FF u65
length WEIGHT1_LENGTH 0x4091 0x0000 u65
address SCALE1_BASE 0x4092 0x00FF u65
length SCALE1_LENGTH 0x4093 0x0000 u65
"""


def _command(line: str) -> Command:
    form, name, code, mask, *only = line.split()
    return Command(name, int(code, 16), int(mask, 16), form, "u65" not in only)  # type: ignore[arg-type]


COMMANDS = {command.code: command for command in map(_command, _TABLE.split("\n")[1:-1])}
CODES = {command.name: command.code for command in COMMANDS.values()}
