"""Where command streams come from: bundles, payloads, and files of nothing but words."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgesdk.bundle import Bundle, Plan
from edgesdk.bundle.plan import Record, Ref
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import Accelerator, accelerator_of
from edgesdk.npu.commands import CODES
from edgesdk.npu.payload import MARK, read_payload

_STEP = "NPU_ETHOSU"
_WORD_BYTES = 4


@dataclass(frozen=True)
class NpuStream:
    """A command stream; `region_bytes` are the sizes of its regions where they are known.

    `accelerator` is None where nobody says what the stream was compiled for.
    """

    name: str
    words: NDArray[np.uint32]
    accelerator: Accelerator | None
    region_bytes: tuple[int, ...] = ()

    @property
    def product(self) -> str:
        """u55 or u65; without an accelerator, by the register that only a U65 has."""
        if self.accelerator is not None:
            return self.accelerator.product
        return "u65" if CODES["PARALLEL_MODE"] in self.words & 0xFFFF else "u55"


def bundle_streams(bundle: Bundle) -> list[NpuStream]:
    """The streams of a bundle's plans, in their order.

    Raises:
        NpuError: one was compiled for an NPU that is not known.
    """
    graphs = dict(bundle.graphs)
    if bundle.endpoint_plan is not None:
        graphs["endpoint"] = bundle.endpoint_plan
    return [
        _of_record(f"{role}, step {index}", plan, record)
        for role, plan in graphs.items()
        for index, record in enumerate(plan.records)
        if record.op == _STEP
    ]


def _of_record(name: str, plan: Plan, record: Record) -> NpuStream:
    values = {key: value for key, value in record.values.items() if isinstance(value, int)}
    start = Ref.decode(values["stream"]).offset
    data = plan.constants[start : start + _WORD_BYTES * values["stream_words"]]
    sizes = tuple(values[f"{region}_bytes"] for region in ("weights", "scratch", "fast"))
    words = np.frombuffer(data, "<u4").astype(np.uint32)
    return NpuStream(name, words, accelerator_of(values["config"], name), sizes)


def payload_stream(name: str, data: bytes, region_bytes: tuple[int, ...] = ()) -> NpuStream:
    """The stream of a payload that Vela wrote.

    Raises:
        NpuError: the payload is damaged, or for an NPU that is not known.
    """
    payload = read_payload(data, name)
    return NpuStream(name, payload.words, accelerator_of(payload.config, name), region_bytes)


def raw_stream(name: str, data: bytes) -> NpuStream:
    """A file that is a payload, or nothing but words.

    Raises:
        NpuError: it is neither.
    """
    if data[: len(MARK)] == MARK:
        return payload_stream(name, data)
    words = np.frombuffer(data[: len(data) // _WORD_BYTES * _WORD_BYTES], "<u4")
    if len(data) % _WORD_BYTES or CODES["STOP"] not in words & 0xFFFF:
        raise NpuError(
            f"{name}: neither a payload (COP1) nor the words of a command stream with its STOP; "
            "give a .edge, a .tflite of Vela's, a payload or a stream"
        )
    return NpuStream(name, words.astype(np.uint32), None)
