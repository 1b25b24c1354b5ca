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
LINE = re.compile(
    r"^EDGE_ETHOSU_(OP|SET)\((\w+), (0x[0-9A-F]{4}), (0x[0-9A-F]{4}), (\w+)(?:, (\w+), .+)?\)$",
    re.M,
)
IN_C = LINE.findall((ETHOSU / "commands.def").read_text())
REGISTERS = [(row[1], int(row[2], 16), row[5]) for row in IN_C if row[0] == "SET"]
MASKS = {row[1]: int(row[3], 16) for row in IN_C}
Found = list[tuple[tuple[int, int, int], dict[str, tuple[int, ...]]]]
Read = tuple[Found, Status, int]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Read]]:
    """Decodes (words, product): operations (code, parameter, place, registers), status, place."""
    folder = tmp_path_factory.mktemp("npu")
    program, stream = folder / "npu_registers", folder / "stream"
    files = [HERE / "npu_registers.c", ETHOSU / "stream.c"]
    flags = ["-std=c11", "-O1", *WARN, *SANITIZE, f"-I{RUNTIME / 'include'}", f"-I{ETHOSU}"]
    flags.append(f"-I{HERE.parent}")
    command = [*find_compiler(), *flags, *map(str, files), "-o", str(program)]
    subprocess.run(command, check=True)

    def run(*streams: tuple[list[int], int]) -> list[Read]:
        packed = [(product, len(words), *words) for words, product in streams]
        stream.write_bytes(b"".join(struct.pack(f"<{len(words)}I", *words) for words in packed))
        done = subprocess.run([program, stream], capture_output=True, text=True, check=True)
        return [_stream(text.splitlines()) for text in done.stdout.split("\n\n")[:-1]]

    return run


def _stream(lines: list[str]) -> Read:
    status, at = map(int, lines[-1].split())
    return [_operation(line) for line in lines[:-1]], Status(status), at


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


BEGIN = {n: (1,) if f == "COUNT" else (0, 0) if f == "SCALE" else (0,) for n, _, f in REGISTERS}
LARGEST: dict[str, Callable[[int], tuple[int, ...]]] = {
    "RAW": lambda mask: (mask,),
    "COUNT": lambda mask: (mask + 1,),
    "LENGTH": lambda _: (0xFEDCBA98,),
    "ADDRESS": lambda mask: (mask << 32 | 0xFEDCBA98,),
    "STRIDE": lambda _: (0xFEDCBA98 - (1 << 32),),
    "SCALE": lambda mask: (0xFEDCBA98, mask),
}


def test_each_register_takes_its_value_and_no_other_changes(
    read: Callable[..., list[Read]],
) -> None:
    words: list[int] = [IRQ]
    for name, code, form in REGISTERS:
        words.append(_word(code, MASKS[name]))
        words += [CONV] if form in ("RAW", "COUNT") else [0xFEDCBA98, CONV]
    ((operations, status, _),) = read(([*words, STOP], U65))
    assert status == Status.OK
    assert operations[0] == ((IRQ, 0, 0), BEGIN)
    expected = BEGIN
    for (name, _, form), (_, registers) in zip(REGISTERS, operations[1:], strict=False):
        expected = {**expected, name: LARGEST[form](MASKS[name])}
        assert registers == expected, name


def test_parameters_have_no_bits_beyond_their_mask(read: Callable[..., list[Read]]) -> None:
    bits = [(one, bit) for one in COMMANDS.values() for bit in range(16)]
    streams = [
        ([_word(one.code, 1 << bit), *([0] if one.words == 2 else []), STOP], U65)
        for one, bit in bits
    ]
    for (one, bit), (_, status, _) in zip(bits, read(*streams), strict=True):
        known = MASKS[one.name] >> bit & 1 or (one.form == "stride" and bit < 8)
        assert status == (Status.OK if known else Status.NPU_STREAM), (one.name, bit)


# parameter, second word, the stride of a U55, of a U65; None: refused
STRIDES = [
    (0, 16, 16, 16),
    (0, 0xFFFFFFF0, -16, 0xFFFFFFF0),
    (0xFF, 0xFFFFFFF0, -16, -16),
    (0xFFFF, 0xFFFFFFF0, -16, -16),
    (0x7F, 0xFFFFFFFF, None, 2**39 - 1),
    (0x80, 0, None, -(2**39)),
    (0xFF, 0x7FFFFFFF, None, 0x7FFFFFFF - 2**32),
    (0xFF7F, 0xFFFFFFFF, None, None),
    (0xFEFF, 0xFFFFFFFF, None, None),
]


@pytest.mark.parametrize(("param", "second", "of_u55", "of_u65"), STRIDES)
def test_strides_are_signed(
    read: Callable[..., list[Read]], param: int, second: int, of_u55: int | None, of_u65: int | None
) -> None:
    for product, expected in ((U55, of_u55), (U65, of_u65)):
        ((operations, status, _),) = read(([_word(0x4015, param), second, STOP], product))
        if expected is None:
            assert status == Status.NPU_STREAM
        else:
            assert operations[0][1]["OFM_STRIDE_Y"] == (expected,)


def test_operations_come_with_parameter_and_place(read: Callable[..., list[Read]]) -> None:
    words = [_word(POOL, 2), _word(0x4020, 0), 16, _word(0x11, 1), STOP, 0xDEAD]
    ((operations, status, at),) = read((words, U55))
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
    ("second core at work in a U55", [0x0123, STOP], U55, 0),
    ("long address of a U55", [_word(0x4000, 1), 0, STOP], U55, 0),
    ("long address of a U65", [_word(0x4000, 0x100), 0, STOP], U65, 0),
    ("long length", [_word(0x4021, 1), 0, STOP], U55, 0),
    ("long shift", [_word(0x4024, 64), 0, STOP], U55, 0),
    ("no product", [CONV, STOP], 0, 0),
]


@pytest.mark.parametrize(
    ("words", "product", "place"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_what_is_no_stream_is_refused_at_its_word(
    read: Callable[..., list[Read]], words: list[int], product: int, place: int
) -> None:
    ((_, status, at),) = read((words, product))
    assert (status, at) == (Status.NPU_STREAM, place)


def test_both_tables_of_commands_agree() -> None:
    in_c = [
        (name, int(code, 16), int(mask, 16), form.lower() or "operation", of == "EDGE_ETHOSU_ALL")
        for _, name, code, mask, of, form in IN_C
    ]
    in_python = [(one.name, one.code, one.mask, one.form, one.u55) for one in COMMANDS.values()]
    assert [code for _, code, *_ in in_python] == sorted(COMMANDS)
    assert in_python == in_c


def _random_stream(rng: random.Random) -> list[int]:
    """Mostly commands that exist, with parameters of all kinds; sometimes no command at all."""
    words = []
    for _ in range(rng.randrange(60)):
        code = rng.choice(list(COMMANDS)[1:]) if rng.random() < 0.99 else rng.randrange(1 << 16)
        edges = (0, 1, 63, 64, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFF7F, 0xFF80, 0xFFFF)
        mask = COMMANDS[code].mask if code in COMMANDS else 0
        short = rng.randrange(1 << 16) & mask if rng.random() < 0.97 else rng.choice(edges)
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


def test_c_and_python_read_the_same_from_random_words(read: Callable[..., list[Read]]) -> None:
    streams = []
    for seed in range(300):
        rng = random.Random(seed)
        streams.append((_random_stream(rng), rng.choice((U55, U65))))
    in_python = [_in_python(words, "u55" if of == U55 else "u65") for words, of in streams]
    assert read(*streams) == in_python
    assert 60 < sum(status == Status.OK for _, status, _ in in_python) < 240
