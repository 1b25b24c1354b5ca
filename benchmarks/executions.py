"""How often every instruction of a region ran: QEMU under the plugin of executions.c."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edgesdk.build import find_tool
from edgesdk.toolchain import TOOLCHAINS

PROGRAM = TOOLCHAINS["arm"].emulator
PLUGIN = Path(__file__).with_name("executions.c")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Werror")
CALLEE = "edge_graph_invoke_until"
_LINE = re.compile(r"^ *([0-9a-f]+):\t([a-z]\S*)(?:\t(.*))?$")


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly."""

    address: int
    mnemonic: str
    operands: str


@dataclass(frozen=True)
class Block:
    """Consecutive instructions that ran together."""

    instructions: tuple[Instruction, ...]
    runs: int
    jumps: int  # runs after which control did not go on behind the last instruction

    @property
    def executed(self) -> int:
        """Instructions."""
        return self.runs * len(self.instructions)


def disassemble(elf: Path, isa: tuple[str, ...]) -> list[Instruction]:
    """All instructions of a firmware, by address."""
    command = [find_tool("arm-none-eabi-objdump"), "-d", "--no-show-raw-insn"]
    if "mve" in isa:  # without it, vector instructions come out as those of coprocessors
        command += ["-m", "armv8.1-m.main"]
    text = subprocess.run([*command, elf], check=True, capture_output=True, text=True).stdout
    found = (_LINE.match(line) for line in text.splitlines())
    return [Instruction(int(m[1], 16), m[2], m[3] or "") for m in found if m]


def region(instructions: list[Instruction], callee: str = CALLEE) -> tuple[int, int]:
    """The entry of a function that is called in one place, and where that call returns to.

    Raises:
        ValueError: it is called elsewhere too.
    """
    calls = [
        (int(one.operands.split()[0], 16), two.address)
        for one, two in pairwise(instructions)
        if one.mnemonic == "bl" and one.operands.endswith(f"<{callee}>")
    ]
    if len(calls) != 1:
        raise ValueError(f"{callee} is called in {len(calls)} places; choose another region")
    return calls[0]


def build_plugin(folder: Path) -> Path:
    """Compile the plugin."""
    plugin = folder / "executions.so"
    flags = ["-std=c11", "-O2", "-shared", "-fPIC", *WARNINGS]
    subprocess.run([find_tool("gcc"), *flags, PLUGIN, "-o", plugin], check=True)
    return plugin


def plugin_option(plugin: Path, enter: int, leave: int, out: Path) -> str:
    """What follows -plugin on QEMU's command line."""
    return f"{plugin},enter={enter:#x},leave={leave:#x},out={out}"


@contextmanager
def counted(
    instructions: list[Instruction], folder: Path
) -> Iterator[Callable[[], tuple[Block, ...]]]:
    """Boards that are powered on inside run under the plugin; the call returns the last region.

    The emulator that edgesdk finds first on the path is then a script that adds the plugin.
    """
    enter, leave = region(instructions)
    plugin, out, path = build_plugin(folder), folder / "executions.txt", os.environ["PATH"]
    option = plugin_option(plugin, enter, leave, out)
    script = folder / "bin" / PROGRAM
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{shutil.which(PROGRAM)}" -plugin "{option}" "$@"\n')
    script.chmod(0o755)
    os.environ["PATH"] = f"{script.parent}{os.pathsep}{path}"
    try:
        yield lambda: last_region(out, instructions)
    finally:
        os.environ["PATH"] = path


def last_region(out: Path, instructions: list[Instruction]) -> tuple[Block, ...]:
    """The blocks of the region that the plugin wrote last.

    Raises:
        ValueError: a block is not in the disassembly.
    """
    text = out.read_text(encoding="utf-8")
    out.write_text("")  # the plugin appends
    place = {one.address: index for index, one in enumerate(instructions)}
    counts: dict[tuple[int, int], tuple[int, int]] = {}
    for line in text.rstrip("\n").rpartition("\n\n")[2].splitlines():
        start, end = (int(word, 16) for word in line.split()[:2])
        runs, jumps = (int(word) for word in line.split()[2:])
        if start not in place or (end not in place and end <= instructions[-1].address):
            raise ValueError(f"the block at {start:#x} to {end:#x} is not in the disassembly")
        before = counts.get((start, end), (0, 0))
        counts[start, end] = (before[0] + runs, before[1] + jumps)
    blocks = (
        Block(tuple(instructions[place[start] : place.get(end)]), *found)
        for (start, end), found in sorted(counts.items())
    )
    return tuple(joined(blocks))


def joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """One block for neighbours that always ran together: QEMU parts them at its pages."""
    held = None
    for block in blocks:
        if held is not None and held.jumps == 0 and held.runs == block.runs:
            after = held.instructions[-1].address, block.instructions[0].address
            if after[1] - after[0] in (2, 4):
                held = Block(held.instructions + block.instructions, block.runs, block.jumps)
                continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held
