"""Status codes of the firmware: the mirror of runtime/include/edge/status.h, held by a test."""

from enum import IntEnum


class Status(IntEnum):
    """0 is success, errors are negative."""

    text: str

    def __new__(cls, value: int, text: str) -> "Status":
        """A code with its sentence."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    OK = 0, "ok"
    TRUNCATED = -1, "data ends before the structure it announces"
    BAD_MAGIC = -2, "not an edge image"
    BAD_VERSION = -3, "version not supported by this firmware"
    BAD_CRC = -4, "checksum does not match"
    BAD_LAYOUT = -5, "section, tensor or operator lies outside its bounds"
    BAD_OPERATOR = -6, "operator parameters are inconsistent"
    NO_KERNEL = -7, "firmware was built without this operator"
    NO_SECTION = -8, "image lacks a section that this needs"
    NO_MEMORY = -9, "memory given is too small"
    BAD_ARGUMENT = -10, "argument out of range"
    BAD_STATE = -11, "not possible in this state"
    BAD_FRAME = -12, "link frame is malformed"
    TOO_LONG = -13, "link frame is longer than this side accepts"
    BAD_MESSAGE = -14, "link message is unknown or has the wrong length"
    FAULT = -16, "the processor took a fault"
    FOREIGN = -17, "made for the tokens of another model"
    NO_PART = -18, "firmware was built without a part that this image needs"
    NPU_MISSING = -19, "image needs an NPU, which this device has not"
    NPU_CONFIG = -20, "compiled for another NPU or configuration than this device has"
    NPU_STREAM = -21, "NPU command stream is damaged or has an unknown command"
    NPU_BOUNDS = -22, "NPU command stream leaves its memory"
    NPU_TIMEOUT = -23, "NPU did not end a job or a reset in time"
    NPU_BUS = -24, "NPU stopped with a bus error; it was reset"
    NPU_PARSE = -25, "NPU could not read its command stream; it was reset"
    NPU_SECURITY = -26, "NPU runs at another security or privilege level than asked for"
    NPU_FAULT = -27, "NPU stopped early or with an error of its own; it was reset"
    READ_ONLY = -28, "the model lies in flash, which the link cannot write"


_OTHER_NPU = "convert the model for this board and flash it"
_DAMAGED_STREAM = "convert the model again and flash it"
_FAILED_NPU = "emulate the bundle: it names the command, or the NPU of the board is to blame"
_NEXT = {
    Status.NPU_MISSING: _OTHER_NPU,
    Status.NPU_CONFIG: _OTHER_NPU,
    Status.NPU_STREAM: _DAMAGED_STREAM,
    Status.NPU_BOUNDS: _DAMAGED_STREAM,
    Status.NPU_TIMEOUT: _FAILED_NPU,
    Status.NPU_BUS: _FAILED_NPU,
    Status.NPU_PARSE: _FAILED_NPU,
    Status.NPU_SECURITY: "check the level that the port asks of the NPU",
    Status.NPU_FAULT: _FAILED_NPU,
    Status.READ_ONLY: "run `edgesdk flash BUNDLE --board BOARD`, which writes it there",
}


def next_step(code: int, otherwise: str) -> str:
    """What to do about a code, for people; `otherwise` where there is nothing special."""
    return next((step for status, step in _NEXT.items() if status == code), otherwise)


def status_text(code: int) -> str:
    """Name and sentence of a code, also of one that this version does not know."""
    for status in Status:
        if status == code:
            return f"{status.name}: {status.text}"
    return f"status {code}, unknown to this edgesdk"
