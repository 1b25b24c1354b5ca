"""The compiled C core as ctypes: its structs, its functions, its status codes."""

import ctypes
import threading
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesdk.core.compile import compiled_core
from edgesdk.errors import BuildError, BundleError

U8Array = npt.NDArray[np.uint8]
_U32 = ctypes.c_uint32
_POINTER = ctypes.c_void_p
_LOCK = threading.Lock()


class SpanStruct(ctypes.Structure):
    """edge_span_t."""

    _fields_ = (("data", _POINTER), ("size", _U32))


class TensorStruct(ctypes.Structure):
    """edge_tensor_t."""

    _fields_ = (
        ("data", _POINTER),
        ("bytes", _U32),
        ("dtype", ctypes.c_uint8),
        ("rank", ctypes.c_uint8),
        ("dims", _U32 * 4),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
    )


ResetFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER)
EncodeFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER)
PredictFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER)
JoinFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER, _POINTER)
AdaptFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER, _POINTER)
PlaceFn = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _U32)
WriteFn = ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _U32)
TokenFn = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_int32, ctypes.c_int32, _U32)
EndpointFn = ctypes.CFUNCTYPE(None, _POINTER, _POINTER)
LogitsFn = ctypes.CFUNCTYPE(None, _POINTER, _U32, _U32, _POINTER, _U32)


class RunnerStruct(ctypes.Structure):
    """edge_runner_t."""

    _fields_ = (
        ("context", _POINTER),
        ("reset", ResetFn),
        ("encode", EncodeFn),
        ("predict", PredictFn),
        ("join", JoinFn),
        ("save", PlaceFn),
        ("restore", PlaceFn),
        ("restart", ResetFn),
        ("adapt", AdaptFn),
    )


class SinkStruct(ctypes.Structure):
    """edge_sink_t."""

    _fields_ = (("context", _POINTER), ("write", WriteFn))


class ListenerStruct(ctypes.Structure):
    """edge_listener_t."""

    _fields_ = (
        ("context", _POINTER),
        ("token", TokenFn),
        ("logits", LogitsFn),
        ("endpoint", EndpointFn),
    )


class EndpointEventStruct(ctypes.Structure):
    """edge_endpoint_event_t."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("utterance", _U32),
        ("version", _U32),
        ("time_ms", _U32),
        ("tokens", _U32),
        ("untold", _U32),
    )


class EndpointFactsStruct(ctypes.Structure):
    """edge_endpoint_facts_t."""

    _fields_ = (
        ("tokens", _U32),
        ("path", _U32),
        ("open_word", ctypes.c_bool),
        ("margin_q8", ctypes.c_int32),
    )


class CostsStruct(ctypes.Structure):
    """edge_costs_t."""

    _fields_ = (
        ("features", ctypes.c_uint64),
        ("encoder", ctypes.c_uint64),
        ("adapter", ctypes.c_uint64),
        ("predictor", ctypes.c_uint64),
        ("joiner", ctypes.c_uint64),
        ("search", ctypes.c_uint64),
        ("bias", ctypes.c_uint64),
        ("lattice", ctypes.c_uint64),
        ("endpoint", ctypes.c_uint64),
        ("encoder_calls", _U32),
        ("adapter_calls", _U32),
        ("predictor_calls", _U32),
        ("joiner_calls", _U32),
        ("endpoint_calls", _U32),
        ("predictor_hits", _U32),
    )


_OPAQUE = (
    *("image", "graph", "features", "search", "tokens", "recogniser"),
    *("bias", "bias_table", "bias_state", "bias_store", "endpoint", "attention"),
)
_MIRRORED = (
    *(SpanStruct, TensorStruct, RunnerStruct, ListenerStruct, CostsStruct, SinkStruct),
    *(EndpointEventStruct, EndpointFactsStruct),
)

# name: (result, arguments); pointers to structs are passed as addresses.
_STATUS, _P, _I, _B = ctypes.c_int, _POINTER, ctypes.c_int32, ctypes.c_bool
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "edge_status_text": (ctypes.c_char_p, (_STATUS,)),
    "edge_crc32": (_U32, (_U32, _P, _U32)),
    "edge_image_open": (_STATUS, (_P, _P, _U32)),
    "edge_image_find": (_STATUS, (_P, _U32, _P)),
    "edge_graph_open": (_STATUS, (_P, _P, _U32)),
    "edge_graph_bind": (_STATUS, (_P, _P, _P)),
    "edge_graph_reset": (None, (_P,)),
    "edge_graph_invoke": (_STATUS, (_P,)),
    "edge_graph_invoke_until": (_STATUS, (_P, _U32)),
    "edge_graph_input": (_STATUS, (_P, _U32, _P)),
    "edge_graph_output": (_STATUS, (_P, _U32, _P)),
    "edge_graph_op": (_STATUS, (_P, _U32, _P, _P)),
    "edge_features_open": (_STATUS, (_P, _P, _U32)),
    "edge_features_memory": (_U32, (_P,)),
    "edge_features_bind": (None, (_P, _P)),
    "edge_features_reset": (None, (_P,)),
    "edge_features_push": (_B, (_P, _P, _U32, _P)),
    "edge_features_flush": (_B, (_P,)),
    "edge_features_quantise": (None, (_P, _P)),
    "edge_log": (ctypes.c_float, (ctypes.c_float,)),
    "edge_search_open": (_STATUS, (_P, _P, _U32)),
    "edge_search_memory": (_U32, (_P,)),
    "edge_search_bind": (None, (_P, _P)),
    "edge_search_reset": (None, (_P,)),
    "edge_search_frame": (_STATUS, (_P, _P, _P, _P)),
    "edge_search_finish": (None, (_P, _P)),
    "edge_search_gain": (_I, (ctypes.c_uint64,)),
    "edge_search_argmax": (_U32, (_P, _U32)),
    "edge_search_logprob": (_I, (_P, _P, _U32)),
    "edge_lattice_build": (None, (_P, _P)),
    "edge_lattice_write": (None, (_P, _P, _P)),
    "edge_tokens_open": (_STATUS, (_P, _P, _U32)),
    "edge_tokens_piece": (_STATUS, (_P, _I, _P, _P)),
    "edge_tokens_append": (_STATUS, (_P, _I, _P, _U32, _P)),
    "edge_bias_table_open": (_STATUS, (_P, _P, _U32, _U32, _U32)),
    "edge_bias_deltas": (_B, (_P, _P, _P, _U32)),
    "edge_bias_step": (None, (_P, _P, _U32)),
    "edge_bias_finish": (_I, (_P, _P)),
    "edge_bias_store_open": (_STATUS, (_P, _P, _U32, _U32, _U32, _P)),
    "edge_bias_store_memory": (_U32, (_P,)),
    "edge_bias_store_bind": (None, (_P, _P)),
    "edge_bias_store_begin": (_STATUS, (_P, _U32, _U32)),
    "edge_bias_store_data": (_STATUS, (_P, _U32, ctypes.c_char_p, _U32)),
    "edge_bias_store_cancel": (None, (_P,)),
    "edge_bias_store_end": (_STATUS, (_P,)),
    "edge_bias_store_use": (_STATUS, (_P, ctypes.c_char_p, _U32)),
    "edge_bias_store_clear": (_STATUS, (_P, ctypes.c_char_p, _U32)),
    "edge_recogniser_workspace": (_STATUS, (_P, _P)),
    "edge_recogniser_open": (_STATUS, (_P, _P, _P, _P, _P, _P, _U32)),
    "edge_recogniser_push": (_STATUS, (_P, _P, _U32)),
    "edge_recogniser_finish": (_STATUS, (_P,)),
    "edge_recogniser_results": (_STATUS, (_P, _P)),
    "edge_recogniser_reset": (_STATUS, (_P,)),
    "edge_recogniser_endpoint": (_STATUS, (_P, ctypes.c_int)),
    "edge_search_untold_token": (_U32, (_P, _U32)),
    "edge_search_path": (_U32, (_P,)),
    "edge_endpoint_open": (_STATUS, (_P, _P, _U32, _U32, _U32)),
    "edge_endpoint_reset": (None, (_P,)),
    "edge_endpoint_next": (None, (_P, _U32)),
    "edge_endpoint_level": (None, (_P, _I)),
    "edge_endpoint_step": (ctypes.c_int, (_P, _P)),
    "edge_endpoint_settle": (None, (_P, _P)),
    "edge_endpoint_features": (None, (_P, _P)),
    "edge_binding_recogniser_endpoint": (_P, (_P,)),
    "edge_binding_sizes": (ctypes.POINTER(_U32), ()),
    "edge_binding_graph": (None, (_P, _P)),
    "edge_binding_state": (_P, (_P,)),
    "edge_binding_features": (None, (_P, _P)),
    "edge_binding_log_mel": (_P, (_P,)),
    "edge_binding_search": (None, (_P, _P)),
    "edge_binding_recogniser_features": (_P, (_P,)),
    "edge_binding_recogniser_search": (_P, (_P,)),
    "edge_binding_search_bias": (None, (_P, _P)),
    "edge_binding_costs": (_P, (_P,)),
    "edge_binding_attention": (None, (_P, _P)),
    "edge_binding_bias_add": (_STATUS, (_P, _P)),
    "edge_binding_recogniser_bias": (_P, (_P,)),
    "edge_binding_bias_room": (None, (_P, _P)),
    "edge_binding_bias_entry": (ctypes.c_char_p, (_P, _U32, _P)),
    "edge_graph_attach": (_STATUS, (_P, _P)),
    "edge_recogniser_attach": (_STATUS, (_P, _P)),
    "edge_ethosu_read": (_U32, (_P, _U32)),
    "edge_ethosu_write": (None, (_P, _U32, _U32)),
    "edge_ethosu_map": (_STATUS, (_P, _P, ctypes.c_uint64, _B)),
    "edge_ethosu_place": (_STATUS, (_P, ctypes.c_uint64, _P, ctypes.c_uint64, _B)),
    "edge_ethosu_fault_text": (ctypes.c_char_p, (_U32,)),
    "edge_binding_npu_bytes": (_U32, ()),
    "edge_binding_npu_open": (_STATUS, (_P, _U32, _P, ctypes.c_uint64)),
    "edge_binding_npu_seam": (_P, (_P,)),
    "edge_binding_npu_device": (_P, (_P,)),
    "edge_binding_npu_strict": (None, (_P, _B)),
    "edge_binding_npu_unmap": (None, (_P,)),
    "edge_binding_npu_address": (ctypes.c_uint64, (_P, _U32)),
    "edge_binding_npu_fault": (None, (_P, _P)),
    "edge_binding_npu_counts": (None, (_P, _P)),
    "edge_binding_graph_npu": (_B, (_P, _P)),
    "edge_binding_recogniser_npu": (_B, (_P, _P)),
}


class Library:
    """The loaded core: `call` runs a function, `struct` makes room for one of its types."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        self._handle = handle
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(handle, name)
            function.restype = result
            function.argtypes = arguments
        sizes = handle.edge_binding_sizes()
        self._sizes = {name: int(sizes[i]) for i, name in enumerate(_OPAQUE)}
        for i, mirrored in enumerate(_MIRRORED, start=len(_OPAQUE)):
            if int(sizes[i]) != ctypes.sizeof(mirrored):
                raise BuildError(
                    f"the C core: {mirrored.__doc__} is {sizes[i]} bytes in C, "
                    f"{ctypes.sizeof(mirrored)} in Python; reinstall edgesdk"
                )

    def call(self, name: str, *arguments: object) -> Any:
        """Run a function that cannot fail and return its result."""
        return getattr(self._handle, name)(*arguments)

    def check(self, what: str, name: str, *arguments: object) -> None:
        """Run a function that returns a status.

        Raises:
            BundleError: `what` and the status's text, where it is not 0.
        """
        status = int(getattr(self._handle, name)(*arguments))
        if status != 0:
            text = self._handle.edge_status_text(status).decode()
            raise BundleError(f"{what}: {text} (status {status})")

    def struct(self, name: str) -> U8Array:
        """Zeroed memory for one of the core's opaque structs."""
        return aligned_zeros(self._sizes[name])


def aligned_zeros(count: int) -> U8Array:
    """`count` zero bytes, at least 16, at a multiple of 16."""
    room = np.zeros(max(count, 16) + 15, np.uint8)
    start = -room.ctypes.data % 16
    return room[start : start + max(count, 16)]


def aligned_copy(data: bytes) -> U8Array:
    """`data` at a multiple of 16."""
    copy = aligned_zeros(len(data))
    copy[: len(data)] = np.frombuffer(data, np.uint8)
    return copy


def address(array: npt.NDArray[Any]) -> int:
    """Where a contiguous array lies; the caller keeps the array alive."""
    return int(array.ctypes.data)


@lru_cache(maxsize=1)
def _load() -> Library:
    try:
        handle = ctypes.CDLL(str(compiled_core()))
    except OSError as error:
        raise BuildError(f"the C core: {error}; set CC to another C compiler") from error
    return Library(handle)


def load_library() -> Library:
    """The core of this machine, compiled on first use; the same object for all threads.

    Raises:
        BuildError: it cannot be compiled or loaded.
    """
    with _LOCK:
        return _load()
