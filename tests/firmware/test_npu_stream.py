"""The C decoder of Ethos-U command streams: what it sets and what it refuses."""

import random
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from edgesdk.core.compile import find_compiler
from edgesdk.errors import NpuError
from edgesdk.link.status import Status
from edgesdk.npu.commands import COMMANDS
from edgesdk.npu.stream import operations

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
ETHOSU = RUNTIME / "npu" / "ethosu"
U55, U65 = 1, 2
STOP, IRQ, CONV, POOL = 0xFFFF0000, 1, 2, 5
WARN = ["-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Wvla", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LINE = re.compile(r"^EDGE_ETHOSU_(OP|SET)\((\w+), (0x[0-9A-F]{4}), (\w+)(?:, (\w+), .+)?\)$", re.M)
IN_C = LINE.findall((ETHOSU / "commands.def").read_text())
REGISTERS = [(name, int(code, 16), form) for kind, name, code, _, form in IN_C if kind == "SET"]
Found = list[tuple[tuple[int, int, int], dict[str, tuple[int, ...]]]]
Read = tuple[Found, Status, int]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Read]:
    """Decodes words: operations (code, parameter, place) with registers, status, place."""
    folder = tmp_path_factory.mktemp("npu")
    program, stream = folder / "npu_registers", folder / "stream"
    files = [HERE / "npu_registers.c", ETHOSU / "stream.c"]
    flags = ["-std=c11", "-O1", *WARN, *SANITIZE, f"-I{RUNTIME / 'include'}", f"-I{ETHOSU}"]
    command = [*find_compiler(), *flags, *map(str, files), "-o", str(program)]
    subprocess.run(command, check=True)

    def run(words: list[int], product: int = U55) -> Read:
        stream.write_bytes(struct.pack(f"<{len(words)}I", *words))
        done = subprocess.run(
            [str(program), str(stream), str(product)], capture_output=True, text=True, check=True
        )
        *lines, last = done.stdout.splitlines()
        status, at = map(int, last.split())
        return [_operation(line) for line in lines], Status(status), at

    return run


def _operation(line: str) -> tuple[tuple[int, int, int], dict[str, tuple[int, ...]]]:
    head, _, tail = line.partition(":")
    values = iter(map(int, tail.split()))
    registers = {
        name: tuple(next(values) for _ in range(2 if form == "SCALE" else 1))
        for name, _, form in REGISTERS
    }
    code, param, at = map(int, head.split())
    return (code, param, at), registers


def _word(code: int, param: int) -> int:
    return param << 16 | code


# (form, parameter, second word, value)
VALUES = [
    ("RAW", 0xFEDC, None, (0xFEDC,)),
    ("COUNT", 0xFFFF, None, (0x10000,)),
    ("LENGTH", 0, 0xFEDCBA98, (0xFEDCBA98,)),
    ("ADDRESS", 0xFE, 0xDCBA9876, (0xFEDCBA9876,)),
    ("STRIDE", 0x7F, 0xFFFFFFFF, (2**39 - 1,)),
    ("STRIDE", 0x80, 0, (-(2**39),)),
    ("STRIDE", 0xFFFF, 0xFFFFFFF0, (-16,)),
    ("SCALE", 63, 0xFEDCBA98, (0xFEDCBA98, 63)),
]


@pytest.mark.parametrize(("form", "param", "payload", "value"), VALUES)
def test_each_register_takes_its_value_and_no_other_changes(
    read: Callable[..., Read],
    form: str,
    param: int,
    payload: int | None,
    value: tuple[int, ...],
) -> None:
    named = [(name, code) for name, code, its in REGISTERS if its == form]
    words: list[int] = [IRQ]
    for _, code in named:
        words += [_word(code, param), *([] if payload is None else [payload]), CONV]
    operations, status, _ = read([*words, STOP], U65)
    assert status == Status.OK
    expected = {
        n: (1,) if f == "COUNT" else (0, 0) if f == "SCALE" else (0,) for n, _, f in REGISTERS
    }
    assert operations[0] == ((IRQ, 0, 0), expected)
    for (name, _), (_, registers) in zip(named, operations[1:], strict=False):
        expected = {**expected, name: value}
        assert registers == expected


def test_operations_come_with_parameter_and_place(read: Callable[..., Read]) -> None:
    words = [_word(POOL, 2), _word(0x4020, 0), 16, _word(0x11, 1), STOP, 0xDEAD]
    operations, status, at = read(words)
    heads = [head for head, _ in operations]
    assert heads == [(POOL, 2, 0), (0x11, 1, 3), (0, 0xFFFF, 4)]
    assert (status, at) == (Status.OK, 5)


# what is wrong, the words, the product, the word it is at
BAD = [
    ("no words", [], U55, 0),
    ("no STOP", [CONV, CONV], U55, 2),
    ("cut payload", [CONV, _word(0x4000, 0)], U55, 1),
    ("unknown code", [0x004, STOP], U55, 0),
    ("unknown register", [CONV, 0x106, STOP], U55, 1),
    ("unknown register with payload", [0x4007, 0, STOP], U55, 0),
    ("register of 16 bits with payload", [0x4104, 0, STOP], U55, 0),
    ("register of 32 bits without payload", [0x0020, STOP], U55, 0),
    ("reserved bits of the code", [0x0502, STOP], U55, 0),
    ("two payloads", [0x8000, 0, 0, STOP], U55, 0),
    ("second core of a U55", [0x4090, 0, STOP], U55, 0),
    ("long address", [_word(0x4000, 0x100), 0, STOP], U55, 0),
    ("long stride", [_word(0x4004, 0xFF7F), 0, STOP], U55, 0),
    ("long length", [_word(0x4021, 1), 0, STOP], U55, 0),
    ("long shift", [_word(0x4024, 64), 0, STOP], U55, 0),
    ("no product", [CONV, STOP], 0, 0),
]


@pytest.mark.parametrize(
    ("words", "product", "place"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_what_is_no_stream_is_refused_at_its_word(
    read: Callable[..., Read], words: list[int], product: int, place: int
) -> None:
    _, status, at = read(words, product)
    assert (status, at) == (Status.NPU_STREAM, place)


def test_both_tables_of_commands_agree() -> None:
    in_c = [
        (name, int(code, 16), form.lower() or "operation", products == "EDGE_ETHOSU_ALL")
        for _, name, code, products, form in IN_C
    ]
    in_python = [(one.name, one.code, one.form, one.u55) for one in COMMANDS.values()]
    assert in_python == in_c


def _random_stream(rng: random.Random) -> list[int]:
    """Mostly commands that exist, with parameters of all kinds; sometimes no command at all."""
    words = []
    for _ in range(rng.randrange(60)):
        code = rng.choice(list(COMMANDS)[1:]) if rng.random() < 0.99 else rng.randrange(1 << 16)
        edges = (0, 1, 63, 64, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFF7F, 0xFF80, 0xFFFF)
        short = rng.choice(edges[:3] if rng.random() < 0.97 else edges)
        words.append(_word(code, short))
        if code & 0x4000:
            words.append(rng.choice((rng.randrange(1 << 32), 0, 0x7FFFFFFF, 0x80000000)))
    return words + [STOP] * (rng.random() < 0.8)


def _in_python(words: list[int], product: str) -> Read:
    """As `read`, by edgesdk.npu.stream."""
    found: Found = []
    try:
        for one in operations(words, product):
            values = {n: v if isinstance(v, tuple) else (v,) for n, v in one.registers.items()}
            found.append(((one.command.code, one.param, one.at), values))
    except NpuError as error:
        place = re.search(r"word (\d+):", str(error))
        assert place is not None
        return found, Status.NPU_STREAM, int(place[1])
    return found, Status.OK, found[-1][0][2] + 1


def test_c_and_python_read_the_same_from_random_words(read: Callable[..., Read]) -> None:
    accepted = 0
    for seed in range(300):
        rng = random.Random(seed)
        words, product = _random_stream(rng), rng.choice((U55, U65))
        expected = _in_python(words, "u55" if product == U55 else "u65")
        assert read(words, product) == expected, f"seed {seed}"
        accepted += expected[1] == Status.OK
    assert 60 < accepted < 240
