"""Functions inside the emulator, called as C."""

import ctypes
from functools import lru_cache

import numpy as np
from edgesdk.core.compile import compiled_core
from edgesdk.core.library import address, aligned_zeros
from numpy.typing import NDArray

_MLW_BYTES = 8192  # more than sizeof(edge_mlw_t)


class OrderStruct(ctypes.Structure):
    """edge_emu_order_t."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("height", "width", "inputs")),
        *((name, ctypes.c_uint32) for name in ("ofm_ublock", "ifm_ublock", "ifm_block")),
        *((name, ctypes.c_uint32) for name in ("tap_round", "sub_height", "sub_width")),
        ("depthwise", ctypes.c_bool),
        ("part_kernel", ctypes.c_bool),
    )


class BlockStruct(ctypes.Structure):
    """edge_emu_block_t."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("channels", "first", "count"))


@lru_cache(maxsize=1)
def emulator() -> ctypes.CDLL:
    library = ctypes.CDLL(str(compiled_core()))
    library.edge_emu_decode_block.restype = ctypes.c_bool
    library.edge_emu_rescale.restype = ctypes.c_int64
    for name in ("sigmoid", "tanh"):
        function = getattr(library, f"edge_emu_{name}")
        function.restype, function.argtypes = ctypes.c_int64, (ctypes.c_void_p, ctypes.c_int64)
    return library


class WeightStream:
    """A stream of weights, decoded block by block."""

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8).copy()
        self._mlw = aligned_zeros(_MLW_BYTES)
        emulator().edge_mlw_open(
            ctypes.c_void_p(address(self._mlw)),
            ctypes.c_void_p(address(self._data)),
            ctypes.c_uint32(len(data)),
        )

    def block(
        self, order: OrderStruct, block: BlockStruct, steps: tuple[int, int], room: int
    ) -> NDArray[np.int16] | None:
        """The next block, at the steps of a channel and a tap; None where the stream fails."""
        out = np.full(room, 9999, np.int16)
        done = emulator().edge_emu_decode_block(
            ctypes.c_void_p(address(self._mlw)),
            ctypes.byref(order),
            ctypes.byref(block),
            *map(ctypes.c_uint32, steps),
            ctypes.c_void_p(address(out)),
        )
        return out if done else None

    def plain(self, count: int) -> NDArray[np.int16] | None:
        """The next `count` weights as they lie in the stream."""
        order = OrderStruct(1, 1, count, 1, 1, count, 1, 1, 1, False, False)
        return self.block(order, BlockStruct(1, 0, 1), (count, count), count)


def rescale(v: int, multiplier: int, shift: int, rounding: int, lift: int = 0) -> int:
    """edge_emu_rescale."""
    return int(
        emulator().edge_emu_rescale(
            ctypes.c_int64(v), *map(ctypes.c_uint32, (multiplier, shift, rounding, lift))
        )
    )


def curve() -> NDArray[np.uint16]:
    """edge_emu_make_curve."""
    table = np.zeros(256, np.uint16)
    emulator().edge_emu_make_curve(ctypes.c_void_p(address(table)))
    return table
