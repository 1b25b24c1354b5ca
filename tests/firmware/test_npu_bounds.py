"""What operations of an Ethos-U reach: the C code against enumeration, and what it refuses."""

import random
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from edgesdk.core.compile import find_compiler
from edgesdk.link.status import Status
from edgesdk.npu.accelerators import ACCELERATORS, Accelerator
from edgesdk.npu.stream import RESET, Value
from npu_words import BLOCKS, PARTS, STOP, Place, operation, reached, settings

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
ETHOSU = RUNTIME / "npu" / "ethosu"
FLAGS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
REGION_BYTES = (16384, 500_000, 600_000, 0, 0, 0, 0, 0)
U55, U65 = ACCELERATORS["ethos-u55-128"], ACCELERATORS["ethos-u65-512"]

Extents = dict[Place, tuple[bool, int, int]]
"""Whether written, first byte, byte behind the last."""
Found = tuple[list[tuple[Status, Extents]], Status]
Stream = tuple[Sequence[int], Accelerator, Sequence[int]]


@pytest.fixture(scope="module")
def extents(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Found]]:
    """For streams (words, accelerator, bytes of regions): extents by operation, and the check."""
    folder = tmp_path_factory.mktemp("npu")
    program, stream = folder / "npu_extents", folder / "streams"
    files = [HERE / "npu_extents.c", ETHOSU / "stream.c", ETHOSU / "bounds.c"]
    flags = ["-std=c11", "-O1", *FLAGS, f"-I{RUNTIME / 'include'}", f"-I{ETHOSU}"]
    subprocess.run([*find_compiler(), *flags, *files, "-o", program], check=True)

    def run(*streams: Stream) -> list[Found]:
        packed = [(of.config, len(words), *sizes, *words) for words, of, sizes in streams]
        stream.write_bytes(b"".join(struct.pack(f"<{len(one)}I", *one) for one in packed))
        done = subprocess.run([program, stream], capture_output=True, text=True, check=True)
        found, operations = [], []
        for line in done.stdout.splitlines():
            if line.startswith("="):
                found.append((operations, Status(int(line[2:]))))
                operations = []
            else:
                operations.append(_operation(line))
        return found

    return run


def _operation(line: str) -> tuple[Status, Extents]:
    status, *numbers = map(int, line.split())
    found: Extents = {}
    for at in range(0, len(numbers), 6):
        region, part, index, written, begin, end = numbers[at : at + 6]
        found[region, PARTS[part], index] = (bool(written), begin, end)
    return Status(status), found


def _feature_map(rng: random.Random, fm: str) -> dict[str, Value]:
    """Tiles, strides of either sign and precision; as sparse as OFMs have to be."""
    bricks, log_bytes = rng.choice((0, 1)), rng.choice((0, 0, 1, 2))
    shift = 1 if fm == "OFM" else 2
    registers: dict[str, Value] = {
        f"{fm}_REGION": rng.choice((1, 2)),
        f"{fm}_PRECISION": rng.choice((0, 1)) | log_bytes << shift | bricks << 6,
        f"{fm}_STRIDE_X": 160 * rng.choice((1, 2, -1)),
        f"{fm}_STRIDE_Y": 2048 * rng.choice((1, 2, -1)),
        f"{fm}_STRIDE_C": 16384 * rng.choice((1, 2, -1)),
    }
    for tile in range(4):
        registers[f"{fm}_BASE{tile}"] = rng.randrange(1 << 18, 1 << 19)
    for side in ("WIDTH0", "HEIGHT0", "HEIGHT1"):
        registers[f"{fm}_{side}_M1"] = rng.choice((1, 2, 3, 9, 65536))
    return registers


def _block(rng: random.Random, accelerator: Accelerator) -> tuple[str, int, dict[str, Value]]:
    name = rng.choice(BLOCKS)
    depth, cores = rng.choice((1, 2, 15, 16, 17, 33)), accelerator.cores
    mode = {"POOL": rng.randrange(3), "ELEMENTWISE": rng.randrange(10)}.get(name, 0)
    sums = name == "CONV" or (name, mode) == ("POOL", REDUCE_SUM)
    registers = {
        **_feature_map(rng, "IFM"),
        **_feature_map(rng, "IFM2"),
        **_feature_map(rng, "OFM"),
    }
    registers |= {
        "OFM_HEIGHT_M1": rng.randint(1, 5), "OFM_WIDTH_M1": rng.randint(1, 5),
        "OFM_DEPTH_M1": depth,
        "IFM_DEPTH_M1": rng.choice((1, 16, 20)) if sums else depth,
        "KERNEL_HEIGHT_M1": rng.randint(1, 4), "KERNEL_WIDTH_M1": rng.randint(1, 4),
        "KERNEL_STRIDE": rng.choice((0, 1, 2, 3, 1 << 6, 1 << 9, 1 << 6 | 1, 0b1001011111)),
        "IFM_UPSCALE": 0 if name == "ELEMENTWISE" else rng.choice((0, 0, 1, 2)),
        "IFM2_BROADCAST": rng.choice((0, 1, 2, 4, 7, 0x40, 0x80, 0xC0)),
        "ACTIVATION": rng.choice((0, 0, 3, 4, 16)),
    }  # fmt: skip
    for side in ("TOP", "LEFT", "RIGHT", "BOTTOM"):
        registers[f"IFM_PAD_{side}"] = rng.choice((0, 0, 0, 1))
    if cores == 2:
        registers["PARALLEL_MODE"] = rng.choice((0, 1))
    for core in range(cores):
        registers[f"WEIGHT{core or ''}_BASE"] = rng.randrange(1 << 14)
        registers[f"WEIGHT{core or ''}_LENGTH"] = rng.randrange(16, 1 << 10, 16)
        registers[f"SCALE{core or ''}_BASE"] = rng.randrange(1 << 14)
        registers[f"SCALE{core or ''}_LENGTH"] = (depth * 10 + 15) & ~15
    return name, mode, registers


def _transfer(rng: random.Random) -> dict[str, Value]:
    source, destination = rng.choice((0, 1, 2)), rng.choice((1, 2, 0x103))
    return {
        "DMA0_SRC_REGION": source, "DMA0_DST_REGION": destination,
        "DMA0_SRC": rng.randrange(1 << 14), "DMA0_DST": rng.randrange(1 << 14),
        "DMA0_LEN": rng.randrange(1 << 12),
    }  # fmt: skip


def _spans(found: dict[Place, set[int]]) -> Extents:
    return {
        place: (place[1] in ("OFM", "DESTINATION"), min(touched), max(touched) + 1)
        for place, touched in found.items()
    }


def _outside(spans: Extents, accelerator: Accelerator) -> bool:
    """Whether an extent leaves its region or writes constants."""
    sizes = (*REGION_BYTES, accelerator.shram_bytes)
    return any(
        begin < 0 or end > sizes[region] or (written and region == 0)
        for (region, _, _), (written, begin, end) in spans.items()
    )


def test_extents_equal_an_enumeration_of_every_address(
    extents: Callable[..., list[Found]],
) -> None:
    streams: list[Stream] = []
    expected: list[tuple[Status, Extents, Status]] = []
    for seed in range(400):
        rng = random.Random(seed)
        accelerator = rng.choice((U55, U65))
        name, param, registers = (
            ("DMA_START", 0, _transfer(rng)) if seed % 8 == 0 else _block(rng, accelerator)
        )
        found = reached({**RESET, **registers}, name, param, accelerator.shram_bytes)
        spans = _spans(found)
        whole = name == "DMA_START" or any(part == "IFM" for _, part, _ in spans)
        outside = Status.NPU_BOUNDS if _outside(spans, accelerator) else Status.OK
        status = Status.OK if whole else Status.NPU_STREAM
        expected.append((status, spans, outside if whole else status))
        words = [*settings(registers), operation(name, param), STOP]
        streams.append((words, accelerator, REGION_BYTES))
    for seed, (one, (operations, check)) in enumerate(
        zip(expected, extents(*streams), strict=True)
    ):
        status, spans = operations[0]
        assert status == one[0], f"seed {seed}"
        if status == Status.OK:
            assert spans == one[1], f"seed {seed}"
        assert check == one[2], f"seed {seed}"
    outcomes = [check for _, _, check in expected]
    assert outcomes.count(Status.OK) > 100 and outcomes.count(Status.NPU_BOUNDS) > 40
    assert outcomes.count(Status.NPU_STREAM) > 3


PLAIN: dict[str, Value] = {
    "IFM_REGION": 1, "IFM_BASE0": 0, "IFM_DEPTH_M1": 8, "IFM_WIDTH0_M1": 4, "IFM_HEIGHT0_M1": 4,
    "IFM_HEIGHT1_M1": 4, "IFM_STRIDE_X": 8, "IFM_STRIDE_Y": 32, "IFM_PRECISION": 1,
    "IFM2_REGION": 1, "IFM2_BASE0": 256, "IFM2_WIDTH0_M1": 4, "IFM2_HEIGHT0_M1": 4,
    "IFM2_HEIGHT1_M1": 4, "IFM2_STRIDE_X": 8, "IFM2_STRIDE_Y": 32, "IFM2_PRECISION": 1,
    "OFM_REGION": 1, "OFM_BASE0": 512, "OFM_DEPTH_M1": 8, "OFM_WIDTH_M1": 4, "OFM_HEIGHT_M1": 4,
    "OFM_WIDTH0_M1": 4, "OFM_HEIGHT0_M1": 4, "OFM_HEIGHT1_M1": 4, "OFM_STRIDE_X": 8,
    "OFM_STRIDE_Y": 32, "OFM_PRECISION": 1, "WEIGHT_BASE": 0, "WEIGHT_LENGTH": 64,
    "SCALE_BASE": 64, "SCALE_LENGTH": 80, "DMA0_SRC_REGION": 0, "DMA0_DST_REGION": 1,
    "DMA0_SRC": 0, "DMA0_DST": 0, "DMA0_LEN": 144,
}  # fmt: skip
TWO_CORES: dict[str, Value] = {
    "PARALLEL_MODE": 1, "SCALE_LENGTH": 48, "WEIGHT1_BASE": 0, "WEIGHT1_LENGTH": 64,
    "SCALE1_BASE": 64, "SCALE1_LENGTH": 48,
}  # fmt: skip
TIGHT = (144, 640, 0, 0, 0, 0, 0, 0)
STREAM, BOUNDS, OK = Status.NPU_STREAM, Status.NPU_BOUNDS, Status.OK
ADD, MAX_POOL, REDUCE_SUM, ABS = 1, 0, 2, 6
# what differs from PLAIN, the operation, its parameter, the status; regions are TIGHT
CASES: dict[str, tuple[dict[str, Value], str, int, Status]] = {
    "convolution": ({}, "CONV", 0, OK),
    "depthwise": ({}, "DEPTHWISE", 0, OK),
    "pool": ({}, "POOL", MAX_POOL, OK),
    "addition": ({}, "ELEMENTWISE", ADD, OK),
    "transfer": ({}, "DMA_START", 0, OK),
    "transfer of nothing": ({"DMA0_LEN": 0, "DMA0_DST_REGION": 7}, "DMA_START", 0, OK),
    "pool of a mode that is none": ({}, "POOL", 3, STREAM),
    "elementwise mode that is none": ({}, "ELEMENTWISE", 10, STREAM),
    "input one byte outside": ({"IFM_BASE0": 513}, "CONV", 0, BOUNDS),
    "input before its region": ({"IFM_STRIDE_X": -8}, "CONV", 0, BOUNDS),
    "input in a region that is none": ({"IFM_REGION": 2}, "CONV", 0, BOUNDS),
    "first tile of none": ({"IFM_WIDTH0_M1": 3, "IFM_BASE1": 640}, "CONV", 0, BOUNDS),
    "last tile": ({"IFM_HEIGHT0_M1": 3, "IFM_BASE2": 609}, "CONV", 0, BOUNDS),
    "unused tile": ({"IFM_BASE1": 1 << 31, "IFM_BASE3": 1 << 31}, "CONV", 0, OK),
    "second input outside": ({"IFM2_BASE0": 513}, "ELEMENTWISE", ADD, BOUNDS),
    "second input outside that is a scalar":
        ({"IFM2_BASE0": 513, "IFM2_BROADCAST": 0x80}, "ELEMENTWISE", ADD, OK),
    "second input outside that is not read": ({"IFM2_BASE0": 513}, "ELEMENTWISE", ABS, OK),
    "output one byte outside": ({"OFM_BASE0": 513}, "CONV", 0, BOUNDS),
    "output among the constants": ({"OFM_REGION": 0, "OFM_BASE0": 0}, "CONV", 0, BOUNDS),
    "output over itself": ({"OFM_STRIDE_Y": 0}, "CONV", 0, STREAM),
    "weights outside": ({"WEIGHT_LENGTH": 160}, "CONV", 0, BOUNDS),
    "weights outside that are not read": ({"WEIGHT_LENGTH": 160}, "POOL", MAX_POOL, OK),
    "no weights": ({"WEIGHT_LENGTH": 0}, "CONV", 0, STREAM),
    "kernel in parts of 4 by 4": ({"KERNEL_STRIDE": 0x20}, "CONV", 0, STREAM),
    "pool in parts of 4 by 4": ({"KERNEL_STRIDE": 0x20}, "POOL", MAX_POOL, OK),
    "too few scales": ({"SCALE_LENGTH": 64}, "CONV", 0, STREAM),
    "scales outside": ({"SCALE_BASE": 65}, "CONV", 0, BOUNDS),
    "widest address": ({"IFM_BASE0": (1 << 32) - 1}, "CONV", 0, BOUNDS),
    "largest of everything": (
        {"IFM_DEPTH_M1": 65536, "OFM_WIDTH_M1": 65536, "OFM_HEIGHT_M1": 65536,
         "KERNEL_WIDTH_M1": 65536, "KERNEL_HEIGHT_M1": 65536, "KERNEL_STRIDE": 0x24B,
         "IFM_STRIDE_X": (1 << 31) - 1, "IFM_STRIDE_Y": (1 << 31) - 1,
         "OFM_STRIDE_X": (1 << 31) - 1, "OFM_STRIDE_Y": -(1 << 31),
         "IFM_BASE0": (1 << 32) - 1}, "CONV", 0, BOUNDS),
    "elements of 8 bytes": ({"IFM_PRECISION": 0xC}, "CONV", 0, STREAM),
    "outputs of 8 bytes": ({"OFM_PRECISION": 6}, "CONV", 0, STREAM),
    "layout that is none": ({"IFM_PRECISION": 0x80}, "CONV", 0, STREAM),
    "nothing but padding": ({"IFM_PAD_TOP": 2, "IFM_PAD_BOTTOM": 2}, "CONV", 0, STREAM),
    "pool of more channels than it writes": ({"IFM_DEPTH_M1": 16}, "POOL", MAX_POOL, STREAM),
    "sum of more channels than it writes":
        ({"IFM_DEPTH_M1": 16}, "POOL", REDUCE_SUM, OK),
    "addition of fewer channels than it writes":
        ({"IFM_DEPTH_M1": 4}, "ELEMENTWISE", ADD, STREAM),
    "upscale that is none": ({"IFM_UPSCALE": 3}, "CONV", 0, STREAM),
    "upscaled addition": ({"IFM_UPSCALE": 1}, "ELEMENTWISE", ADD, STREAM),
    "activation that is none": ({"ACTIVATION": 5}, "CONV", 0, STREAM),
    "last table": ({"ACTIVATION": 23}, "CONV", 0, OK),
    "table that is none": ({"ACTIVATION": 24}, "CONV", 0, STREAM),
    "source outside": ({"DMA0_SRC": 1}, "DMA_START", 0, BOUNDS),
    "transfer into constants": ({"DMA0_DST_REGION": 0}, "DMA_START", 0, BOUNDS),
    "transfer to the end of the SHRAM":
        ({"DMA0_DST_REGION": 0x103, "DMA0_DST": 24 * 1024 - 144}, "DMA_START", 0, OK),
    "transfer behind the SHRAM":
        ({"DMA0_DST_REGION": 0x103, "DMA0_DST": 24 * 1024 - 143}, "DMA_START", 0, BOUNDS),
    "transfer with strides": ({"DMA0_DST_REGION": 0x201}, "DMA_START", 0, STREAM),
}  # fmt: skip


@pytest.fixture(scope="module")
def checked(extents: Callable[..., list[Found]]) -> dict[str, Status]:
    streams = []
    for change, name, param, _ in CASES.values():
        words = [*settings({**PLAIN, **change}), operation(name, param), STOP]
        streams.append((words, U55, TIGHT))
    return dict(zip(CASES, (check for _, check in extents(*streams)), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_operations_stay_in_their_memory(checked: dict[str, Status], case: str) -> None:
    assert checked[case] == CASES[case][3]


def test_each_core_has_weights_of_its_own(extents: Callable[..., list[Found]]) -> None:
    single = ACCELERATORS["ethos-u65-256"]
    changes: list[tuple[dict[str, Value], Accelerator, Status]] = [
        ({}, U65, OK),
        ({}, single, STREAM),
        ({"WEIGHT1_LENGTH": 0}, U65, STREAM),
        ({"SCALE1_LENGTH": 32}, U65, STREAM),
        ({"WEIGHT1_BASE": 96}, U65, BOUNDS),
        ({"OFM_DEPTH_M1": 1, "WEIGHT1_LENGTH": 0, "SCALE1_LENGTH": 0}, U65, OK),
        ({"OFM_DEPTH_M1": 1, "WEIGHT_LENGTH": 0}, U65, STREAM),
    ]
    streams = [
        ([*settings({**PLAIN, **TWO_CORES, **change}), operation("CONV"), STOP], of, TIGHT)
        for change, of, _ in changes
    ]
    assert [check for _, check in extents(*streams)] == [status for _, _, status in changes]


def test_stream_ends_with_its_stop(extents: Callable[..., list[Found]]) -> None:
    words = [*settings(PLAIN), operation("CONV"), STOP]
    other = replace(U55, product="u85")
    found = extents(
        (words, U55, TIGHT), (words[:-1], U55, TIGHT), ([*words, STOP], U55, TIGHT),
        ([*words[:-2], STOP, *words[-2:]], U55, TIGHT), (words, other, TIGHT),
    )  # fmt: skip
    assert [check for _, check in found] == [OK, STREAM, STREAM, STREAM, Status.NPU_CONFIG]
