"""What the hardware would not forgive: found where it is, and not in what Vela writes."""

import random
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conformance.goldens import Golden, load
from conformance.store import GOLDENS
from edgesdk.core.compile import find_compiler
from edgesdk.errors import NpuError
from edgesdk.npu.accelerators import ACCELERATORS, Accelerator
from edgesdk.npu.emulator import Npu
from edgesdk.npu.stream import RESET, Value, read_stream
from npu_words import BLOCKS, STOP, element, ifm_size, number, operation, setting, settings

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
C = HERE.parents[1] / "firmware_templates"
TRANSFER, KERNEL, BLOCKDEP, TABLE, ALIGNMENT = range(1, 6)
U55, U65, SMALL = (ACCELERATORS[f"ethos-{n}"] for n in ("u55-128", "u65-256", "u55-64"))
# The older code generator takes the input of a bilinear resize for smaller than its tiles make it,
# and lets the first block read a column before the pool just before has written it.
UNSAFE = {
    ("resize_bilinear_half_int8", "ethos-u65-512", "legacy"),
    ("resize_bilinear_half_int16", "ethos-u65-512", "legacy"),
}


class Finding(NamedTuple):
    """In the order of npu_hazards.c."""

    word: int
    kind: int
    other: int
    region: int
    address: int


Stream = tuple[Sequence[int], Accelerator]
Judge = Callable[..., list[list[Finding]]]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """The findings in each of the streams (words, accelerator)."""
    folder = tmp_path_factory.mktemp("hazards")
    program, file = folder / "npu_hazards", folder / "streams"
    sources = [
        HERE / "npu_hazards.c",
        *(C / f"emulator/ethosu/{n}.c" for n in ("hazards", "blocks")),
    ]
    sources += [C / f"runtime/npu/ethosu/{name}.c" for name in ("stream", "bounds")]
    flags = ["-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += [f"-I{C / folder}" for folder in ("runtime/include", "runtime", "emulator")]
    flags.append(f"-I{HERE.parent}")
    subprocess.run([*find_compiler(), *flags, *sources, "-o", program], check=True)

    def run(*streams: Stream) -> list[list[Finding]]:
        packed = [(of.config, len(words), *words) for words, of in streams]
        file.write_bytes(b"".join(struct.pack(f"<{len(one)}I", *one) for one in packed))
        done = subprocess.run([program, file], capture_output=True, text=True, check=True)
        found: list[list[Finding]] = [[]]
        for line in done.stdout.splitlines():
            if line.startswith("="):
                assert line == "= 0"
                found.append([])
            else:
                found[-1].append(Finding(*map(int, line.split())))
        return found[:-1]

    return run


@pytest.fixture(scope="module")
def goldens() -> list[Golden]:
    return load(GOLDENS)[0]


def _stream(golden: Golden) -> Stream:
    return golden.compiled.words.tolist(), ACCELERATORS[golden.compiled.accelerator]


def test_nothing_is_found_in_what_vela_writes(judge: Judge, goldens: list[Golden]) -> None:
    unsafe = set()
    for golden, found in zip(goldens, judge(*map(_stream, goldens)), strict=True):
        if found:
            assert {one.kind for one in found} == {BLOCKDEP}
            unsafe.add((golden.graph, golden.compiled.accelerator, golden.generator))
    assert unsafe == UNSAFE


def _spoilt(goldens: Sequence[Golden]) -> Iterator[tuple[str, Stream]]:
    """Streams without one of their waits, or with one BLOCKDEP that is one larger."""
    for golden in goldens:
        words, accelerator = _stream(golden)
        before = False
        for one in read_stream(words, accelerator.product):
            name = one.command.name
            if name in ("DMA_WAIT", "KERNEL_WAIT"):
                yield name, ([*words[: one.at], *words[one.at + 1 :]], accelerator)
            elif name in BLOCKS:
                depth = one.number("BLOCKDEP")
                if before and depth < 3:
                    more, again = setting("BLOCKDEP", depth + 1), setting("BLOCKDEP", depth)
                    changed = [*words[: one.at], *more, words[one.at], *again, *words[one.at + 1 :]]
                    yield "BLOCKDEP", (changed, accelerator)
                before = True


def test_every_wait_of_vela_is_needed(judge: Judge, goldens: list[Golden]) -> None:
    kept = [golden for golden in goldens[::9] if len(golden.compiled.words) < 3000]
    names, streams = zip(*_spoilt(kept), strict=True)
    found = dict.fromkeys(names, 0)
    for name, findings in zip(names, judge(*streams), strict=True):
        found[name] += bool(findings)
    counts = {name: names.count(name) for name in found}
    assert counts["DMA_WAIT"] > 50 and counts["KERNEL_WAIT"] > 10 and counts["BLOCKDEP"] > 300
    for name in ("DMA_WAIT", "KERNEL_WAIT"):
        assert found[name] == counts[name]
    assert found["BLOCKDEP"] > 0.7 * counts["BLOCKDEP"]  # Vela does not look into every case


# ---- blocks, against sets of bytes


def _map(rng: random.Random, fm: str, bases: Sequence[int]) -> dict[str, Value]:
    """A feature map of int8 at one of the bases, in one tile or several."""
    base, bricks = rng.choice(bases), rng.choice((0, 0, 64))
    registers: dict[str, Value] = {
        f"{fm}_REGION": 1, f"{fm}_PRECISION": 1 | bricks, f"{fm}_STRIDE_X": rng.choice((40, 48)),
        f"{fm}_STRIDE_Y": 400, f"{fm}_STRIDE_C": 160,
    }  # fmt: skip
    for tile in range(4):
        registers[f"{fm}_BASE{tile}"] = base + rng.choice((0, 0, 48)) * tile
    for side in ("WIDTH0", "HEIGHT0", "HEIGHT1"):
        registers[f"{fm}_{side}_M1"] = rng.choice((3, 65536, 65536))
    return registers


def _block(rng: random.Random, bases: Sequence[int]) -> tuple[str, int, dict[str, Value]]:
    name, param = rng.choice((("CONV", 0), ("DEPTHWISE", 0), ("POOL", 2), ("ELEMENTWISE", 1)))
    deep = rng.choice((8, 24, 40))
    registers = {**_map(rng, "IFM", bases), **_map(rng, "IFM2", bases), **_map(rng, "OFM", bases)}
    registers |= {
        "OFM_HEIGHT_M1": rng.randint(1, 6), "OFM_WIDTH_M1": rng.randint(1, 6),
        "OFM_DEPTH_M1": deep, "IFM_DEPTH_M1": rng.choice((8, 24, 40)),
        "OFM_BLK_HEIGHT_M1": rng.randint(1, 4), "OFM_BLK_WIDTH_M1": rng.randint(1, 4),
        "OFM_BLK_DEPTH_M1": rng.choice((8, 16, 40)), "IFM2_BROADCAST": rng.choice((0, 0, 1, 4, 7)),
        "WEIGHT_LENGTH": 16, "SCALE_LENGTH": 400, "BLOCKDEP": rng.randrange(4),
    }  # fmt: skip
    if name != "ELEMENTWISE":
        registers |= {
            "KERNEL_HEIGHT_M1": rng.randint(2, 3), "KERNEL_WIDTH_M1": rng.randint(1, 3),
            "KERNEL_STRIDE": rng.choice((0, 3, 4)), "IFM_PAD_TOP": rng.choice((0, 0, 1)),
            "IFM_UPSCALE": rng.choice((0, 0, 1)),
        }  # fmt: skip
    else:
        registers |= {"IFM_UPSCALE": 0}
    if name in ("DEPTHWISE", "ELEMENTWISE"):
        registers |= {"IFM_DEPTH_M1": deep}
    return name, param, registers


def _blocks(r: dict[str, Value]) -> list[tuple[range, range, range]]:
    """Rows, columns and channels of an output, block by block, channels first."""
    sides = []
    for side in ("HEIGHT", "WIDTH", "DEPTH"):
        size, step = number(r, f"OFM_{side}_M1"), number(r, f"OFM_BLK_{side}_M1")
        sides.append([range(at, min(at + step, size)) for at in range(0, size, step)])
    return list(product(*sides))


def _bytes(r: dict[str, Value], fm: str, *sides: Sequence[int]) -> set[int]:
    return {byte for at in product(*sides) for byte in element(r, fm, *at)[1]}


def _reads(r: dict[str, Value], name: str, param: int) -> Iterator[set[int]]:
    """What each job of an operation reads of feature maps."""
    size = ifm_size(r, name, param)
    packed, pad = number(r, "KERNEL_STRIDE"), number(r, "IFM_PAD_TOP")
    double = number(r, "IFM_UPSCALE") != 0
    sums = name in ("CONV", "POOL")
    step = (16 if packed & 4 else 32) if sums else 1000
    step = min(step, -(-size[2] // 8) * 8) if sums else step
    for rows, columns, channels in _blocks(r):
        if name == "ELEMENTWISE":
            shape = [
                range(1) if number(r, "IFM2_BROADCAST") >> i & 1 else side
                for i, side in enumerate((rows, columns, channels))
            ]
            yield _bytes(r, "IFM", rows, columns, channels) | _bytes(r, "IFM2", *shape)
            continue
        sides = []
        for outputs, bit, kernel, before, limit in (
            (rows, 2, "HEIGHT", pad, size[0]), (columns, 1, "WIDTH", 0, size[1]),
        ):  # fmt: skip
            stride = 2 if packed & bit else 1
            taps = range(number(r, f"KERNEL_{kernel}_M1"))
            needed = {y * stride + k - before for y in outputs for k in taps}
            needed = {at // 2 if double else at for at in needed if at >= 0}
            within = [at for at in needed if at < limit]
            sides.append(range(min(within), max(within) + 1) if within else range(0))
        for first in range(0, size[2], step) if sums else (0,):
            deep = range(first, min(first + step, size[2])) if sums else channels
            yield _bytes(r, "IFM", *sides, deep)


def _collides(before: dict[str, Value], r: dict[str, Value], name: str, param: int) -> bool:
    """Whether a job meets one of the last blocks before that BLOCKDEP leaves unfinished."""
    written = [_bytes(before, "OFM", *block) for block in _blocks(before)][::-1]
    depth = number(r, "BLOCKDEP")
    jobs = zip(range(depth), _reads(r, name, param), strict=False)
    return any(reads & block for i, reads in jobs for block in written[: depth - i])


def test_blocks_that_meet_are_those_with_a_byte_in_common(judge: Judge) -> None:
    streams, expected = [], []
    for seed in range(400):
        rng = random.Random(seed)
        bases = (0, 48, 800, 8000)
        (first, first_param, before), (name, param, after) = (_block(rng, bases) for _ in "12")
        before, after = {**RESET, **before}, {**RESET, **after}
        words = [*settings(before), operation(first, first_param)]
        words += [*settings(after), operation(name, param), STOP]
        streams.append((words, U65))
        expected.append(_collides(before, after, name, param))
    found = [any(one.kind == BLOCKDEP for one in findings) for findings in judge(*streams)]
    assert [seed for seed in range(400) if found[seed] != expected[seed]] == []
    assert sum(expected) > 60


# ---- one of each kind

MAP: dict[str, Value] = {
    "IFM_REGION": 1, "IFM_PRECISION": 1, "IFM_DEPTH_M1": 16, "IFM_STRIDE_X": 16,
    "IFM_STRIDE_Y": 16, "OFM_REGION": 1, "OFM_BASE0": 256, "OFM_PRECISION": 1,
    "OFM_DEPTH_M1": 16, "OFM_BLK_DEPTH_M1": 16, "OFM_STRIDE_X": 16, "OFM_STRIDE_Y": 16,
    "IFM2_BROADCAST": 0x80, "WEIGHT_BASE": 64, "WEIGHT_LENGTH": 16, "SCALE_LENGTH": 160,
    "DMA0_DST_REGION": 1, "DMA0_LEN": 64,
}  # fmt: skip
ADD, COPY = [operation("ELEMENTWISE", 1)], [operation("DMA_START")]
CONV, WAIT = [operation("CONV")], [operation("DMA_WAIT")]
LUT = {"DMA0_DST_REGION": 0x103, "DMA0_LEN": 256}


def _at(**registers: Value) -> list[int]:
    return settings(registers)


def _lut(accelerator: Accelerator, slot: int = 0) -> list[int]:
    return settings({**LUT, "DMA0_DST": accelerator.lut_offset + 256 * slot})


TABLED = _at(ACTIVATION=17)
# words behind MAP, and the kinds that are found
CASES: dict[str, tuple[list[int], Accelerator, list[int]]] = {
    "addition of what is copied": ([*COPY, *ADD], U55, [TRANSFER]),
    "the same behind a wait": ([*COPY, *WAIT, *ADD], U55, []),
    "a wait that leaves it": ([*COPY, operation("DMA_WAIT", 1), *ADD], U55, [TRANSFER]),
    "copied elsewhere": ([*_at(DMA0_DST=1024), *COPY, *ADD], U55, []),
    "copy over the output": ([*ADD, *_at(DMA0_DST=256), *COPY], U55, [KERNEL]),
    "copy over the input": ([*ADD, *COPY], U55, [KERNEL]),
    "copy of the output":
        ([*ADD, *_at(DMA0_SRC_REGION=1, DMA0_SRC=256, DMA0_DST=1024), *COPY], U55, [KERNEL]),
    "copy of the input":
        ([*ADD, *_at(DMA0_SRC_REGION=1, DMA0_DST=1024), *COPY], U55, []),
    "copy behind a wait": ([*ADD, operation("KERNEL_WAIT"), *COPY], U55, []),
    "copy over weights": ([*_at(WEIGHT_REGION=1), *CONV, *_at(DMA0_DST=64), *COPY], U55, [KERNEL]),
    "two operations later":
        ([*ADD, *_at(IFM_BASE0=2048, OFM_BASE0=4096), *ADD, *ADD, *COPY], U55, []),
    "two copies into one place": ([*COPY, *COPY], U55, [TRANSFER]),
    "copies of a U65 side by side":
        ([*_at(DMA0_DST=1024), *COPY, *_at(DMA0_DST=2048), *COPY, *_at(IFM_BASE0=1024), *ADD],
         U65, [TRANSFER]),
    "the same in a U55, which has one at a time":
        ([*_at(DMA0_DST=1024), *COPY, *_at(DMA0_DST=2048), *COPY, *_at(IFM_BASE0=1024), *ADD],
         U55, []),
    "reads what is written before":
        ([*ADD, *_at(IFM_BASE0=256, OFM_BASE0=512, BLOCKDEP=1), *ADD], U55, [BLOCKDEP]),
    "the same behind a wait for it":
        ([*ADD, operation("KERNEL_WAIT"), *_at(IFM_BASE0=256, OFM_BASE0=512, BLOCKDEP=1), *ADD],
         U55, []),
    "reads weights that are written before":
        ([*_at(OFM_BASE0=64), *ADD, *_at(WEIGHT_REGION=1, OFM_BASE0=512, BLOCKDEP=1), *CONV],
         U55, [BLOCKDEP]),
    "no table": ([*TABLED, *ADD], U55, [TABLE]),
    "another table": ([*_lut(U55), *COPY, *WAIT, *TABLED, *ADD], U55, [TABLE]),
    "its table": ([*_lut(U55, 1), *COPY, *WAIT, *TABLED, *ADD], U55, []),
    "its table is under way": ([*_lut(U55, 1), *COPY, *TABLED, *ADD], U55, [TRANSFER]),
    "half of a table":
        ([*_lut(U55, 1), *_at(DMA0_LEN=128), *COPY, *WAIT, *TABLED, *ADD], U55, [TABLE]),
    "a table for 16 bits that is not whole":
        ([*_lut(U55), *COPY, *WAIT, *_at(ACTIVATION=16, OFM_PRECISION=3), *ADD], U55, [TABLE]),
    "a table over one in use":
        ([*_lut(U55, 1), *COPY, *WAIT, *TABLED, *ADD, *COPY], U55, [KERNEL]),
    "a table beside one in use":
        ([*_lut(U55, 1), *COPY, *WAIT, *TABLED, *ADD, *_lut(U55, 2), *COPY], U55, []),
    "a table that accumulators spoil":
        ([*_lut(SMALL, 1), *COPY, *WAIT, *ADD, *TABLED, *ADD], SMALL, [TABLE]),
    "a table beside accumulators":
        ([*_lut(U55, 1), *COPY, *WAIT, *ADD, *TABLED, *ADD], U55, []),
    "accumulators over a table in use":
        ([*_lut(SMALL, 1), *COPY, *WAIT, *TABLED, *ADD,
          *_at(ACTIVATION=0, BLOCKDEP=1, IFM_BASE0=1024), *ADD], SMALL, [BLOCKDEP]),
    "a table over accumulators":
        ([*ADD, *_lut(SMALL, 1), *COPY], SMALL, [KERNEL]),
    "bricks off 16 bytes": ([*_at(IFM_PRECISION=0x41, IFM_BASE0=8), *ADD], U55, [ALIGNMENT]),
    "rows of bricks off 16 bytes":
        ([*_at(OFM_PRECISION=0x41, OFM_STRIDE_Y=24), *ADD], U55, [ALIGNMENT]),
    "odd 16 bits": ([*_at(IFM_PRECISION=5, IFM_BASE0=1), *ADD], U55, [ALIGNMENT]),
    "odd bytes": ([*_at(IFM_BASE0=1), *ADD], U55, []),
    "odd steps of 32 bits": ([*_at(OFM_PRECISION=5, OFM_STRIDE_X=66), *ADD], U55, [ALIGNMENT]),
    "weights off 16 bytes": ([*_at(WEIGHT_BASE=72), *CONV], U55, [ALIGNMENT]),
    "weights of 24 bytes": ([*_at(WEIGHT_LENGTH=24), *CONV], U55, [ALIGNMENT]),
    "scales of 168 bytes": ([*_at(SCALE_LENGTH=168), *CONV], U55, [ALIGNMENT]),
    "copy from off 16 bytes": ([*_at(DMA0_SRC=8), *COPY], U55, [ALIGNMENT]),
    "copy to off 16 bytes": ([*_at(DMA0_DST=8), *COPY], U55, [ALIGNMENT]),
    "copy of 24 bytes": ([*_at(DMA0_LEN=24), *COPY], U55, [ALIGNMENT]),
    "copy of 24 bytes by a U65": ([*_at(DMA0_LEN=24, DMA0_DST=8), *COPY], U65, []),
    "table of 24 bytes by a U65":
        ([*_lut(U65), *_at(DMA0_LEN=24), *COPY], U65, [ALIGNMENT]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_kind_is_found_where_it_is(judge: Judge, case: str) -> None:
    words, accelerator, kinds = CASES[case]
    (found,) = judge(([*settings(MAP), *words, STOP], accelerator))
    assert [one.kind for one in found] == kinds


def test_the_emulator_stops_at_what_is_found() -> None:
    words = np.array([*settings(MAP), *COPY, *ADD, STOP], np.uint32)
    first = len(settings(MAP))
    regions = [np.zeros(256, np.uint8), np.zeros(4096, np.uint8)]
    npu = Npu("ethos-u55-128")
    with pytest.raises(NpuError, match=f"word {first + 1} .*against word {first}: .*no DMA_WAIT"):
        npu.run(words, regions)
    assert npu.fault is not None and (npu.fault.at, npu.fault.other) == (first + 1, first)
    Npu("ethos-u55-128", strict=False).run(words, regions)
