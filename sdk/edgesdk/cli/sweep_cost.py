"""Instructions of the recognisers of a sweep, counted on an emulated board."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgesdk.board import Board
from edgesdk.build import BuildOptions, Image, build
from edgesdk.bundle import Bundle
from edgesdk.emulate import Clip
from edgesdk.errors import BuildError, DeviceError, EdgeError, FitError
from edgesdk.fit import check_fit, memory_use
from edgesdk.flash.store import store
from edgesdk.link.device import Device, open_device
from edgesdk.link.messages import ClockKind
from edgesdk.session import emulate_clips, lacking_interpreter, run_clip

COUNTED_S = 5.0  # of clips; a shorter first one is taken whole
Count = Callable[[Bundle, Sequence[Clip]], int | None]


@contextmanager
def instruction_counter(board: Board) -> Iterator[tuple[Count | None, str]]:
    """Bundle, clips -> instructions per second of audio; or None and why they are not counted.

    Firmware with all kernels is built and started once; every bundle is loaded over the link. The
    count is None for a bundle that does not fit the board.
    """
    reason = _lacking(board)
    if reason:
        yield None, reason
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            image = build(board, None, BuildOptions())
            store(image, Path(folder))
            device = open_device(board, devices=Path(folder))
        except (BuildError, DeviceError) as error:
            yield None, _left_out(str(error))
            return
        with device:
            yield _counter(device, image), ""


def _left_out(reason: str) -> str:
    return f"instructions left out: {reason}"


def _lacking(board: Board) -> str:
    """Why nothing can be counted for a board; empty where it can."""
    if board.tier != "emulated":
        return _left_out(f"{board.name} emulates no processor; name an emulated --board")
    lacking = lacking_interpreter()
    return _left_out(f"nothing to compare the board with, {lacking}") if lacking else ""


def _counter(device: Device, image: Image) -> Count:
    def count(bundle: Bundle, clips: Sequence[Clip]) -> int | None:
        try:
            check_fit(device.board, bundle, memory_use(device.board, bundle, image.sizes))
        except FitError:
            return None
        device.load(bundle.device_bytes())
        return _instructions(device, bundle, clips)

    return count


def _instructions(device: Device, bundle: Bundle, clips: Sequence[Clip]) -> int:
    """Instructions per second of audio, with the silence that the device adds behind clips."""
    if device.identity.clock is not ClockKind.INSTRUCTIONS:
        raise EdgeError(f"{device.board.name} counts no instructions; name another --board")
    features, samples = bundle.features, 0
    chosen: list[Clip] = []
    for clip in clips:
        if chosen and samples + len(clip.samples) > COUNTED_S * features.sample_rate_hz:
            break
        chosen.append(clip)
        samples += len(clip.samples) + features.tail_padding
    heard = [run_clip(device, clip, features.sample_rate_hz) for clip in chosen]
    if tuple(it.transcript for it in heard) != emulate_clips(bundle, chosen).transcripts:
        raise EdgeError(
            f"{device.board.name} and the laptop differ on this model, so no count is shown; "
            "convert it without --sweep and run `edgesdk validate`"
        )
    total = sum(it.metrics.total for it in heard)
    return round(total * features.sample_rate_hz / samples)
