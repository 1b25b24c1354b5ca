"""What a project of firmware says in words and in CMake, from firmware_templates/project."""

import re
from collections.abc import Mapping, Sequence

from edgesdk import __version__
from edgesdk.board import Board
from edgesdk.bundle import Bundle
from edgesdk.firmware_sources import Choice, SourcePlan, link_of
from edgesdk.mlperf_tiny import PROTOCOL as MLPERF_TINY
from edgesdk.needed import needed_parts
from edgesdk.resources import resource_dir

# What is there in a project, by the protocol of its firmware.
WORDS = {
    "edgesdk": {
        "WHAT": "A streaming speech recogniser",
        "APP": "messages of the link, the model that is loaded, clips that are heard",
        "RUNTIME": "the recogniser: features, graphs and their kernels, search",
    },
    MLPERF_TINY: {
        "WHAT": "A model for runners of MLPerf Tiny,",
        "APP": "commands of the link, the model and its inferences",
        "RUNTIME": "graphs and their kernels",
    },
}
FRAMES = (
    "Frames on the link are `7E`, then type, sequence number, payload and CRC-32 (little "
    "endian), then `7E`; inside, `7E` and `7D` are sent as `7D` and the byte XOR `20`. Bytes "
    "outside of frames are console text. `runtime/include/edge/wire.h` has the framing, "
    "`app/session.h` and `app/session.c` have the messages; the device answers to HELLO with "
    "who it is."
)
BENCHES = (
    "The firmware speaks MLPerf Tiny's protocol: commands that end in `%`, such as `help%`, and "
    "answers that end in `m-ready`. `app/mlperf_tiny/session.c` has them all. Runners of "
    "MLCommons and EEMBC drive it over the serial port; edgesdk's own verbs do not."
)


def _render(name: str, values: Mapping[str, str]) -> str:
    template = resource_dir("firmware_templates") / "project" / name
    return re.sub(r"@([A-Z_]+)@", lambda m: values[m.group(1)], template.read_text("utf-8"))


def _lines(words: Sequence[str]) -> str:
    """Words of a CMake list, one a line."""
    return "\n".join(f"  {word}" for word in words)


def cmake_lists(
    board: Board,
    plan: SourcePlan,
    sources: Sequence[str],
    headers: Sequence[str],
    includes: Sequence[str],
) -> str:
    """CMakeLists.txt of a project; paths are relative to it."""
    bare = plan.linker_script is not None
    target = (*board.compiler.target, *board.toolchain.header_flags)
    flags = [flag for flag in plan.flags if flag != "-Werror"]
    libraries = " ".join(plan.libraries)
    linked = f"target_link_libraries(firmware PRIVATE {libraries})\n" if libraries else ""
    toolchain = (
        "if(NOT CMAKE_TOOLCHAIN_FILE)\n"
        "  set(CMAKE_TOOLCHAIN_FILE ${CMAKE_CURRENT_SOURCE_DIR}/toolchain.cmake)\n"
        "endif()\n"
    )
    values = {
        "TITLE": board.title,
        "VERSION": __version__,
        "TOOLCHAIN": toolchain if not board.is_host else "",
        "SOURCES": _lines(sources),
        "HEADERS": _lines(["board/edge_board.h", *(["board/memory.ld"] if bare else []), *headers]),
        "INCLUDES": _lines(["board", *includes]),
        "DEFINITIONS": _lines([flag[2:] for flag in flags if flag.startswith("-D")]),
        "TARGET": _lines(target),
        "FLAGS": _lines([flag for flag in flags if not flag.startswith("-D")]),
        "LINK_FLAGS": _lines([flag for flag in plan.link_flags if flag not in target]),
        "TAIL": linked + (_render("bare.cmake.in", {}) if bare else ""),
    }
    return re.sub(r"\n +\)", ")", _render("CMakeLists.txt.in", values)).rstrip() + "\n"


def toolchain_file(board: Board) -> str:
    """toolchain.cmake of a project that is cross-compiled."""
    return _render("toolchain.cmake.in", {"CORE": board.cpu.core, "COMPILER": board.toolchain.gcc})


def readme(board: Board, choice: Choice, bundle: Bundle | None) -> str:
    """README.md of a project."""
    tools = board.toolchain
    packages = " ".join(filter(None, (tools.gcc_package, tools.library_package)))
    cross = not board.is_host
    values = {
        "TITLE": board.title,
        "VERSION": __version__,
        "LINK": link_of(board, choice),
        **WORDS[choice.protocol],
        "COMPILER": tools.gcc,
        "PACKAGES": packages,
        "HEX": " and `build/firmware.hex`" if cross else "",
        "BOARD_FILE": board.path.name,
        "MADE": ": `edge_board.h`" + (", `memory.ld`" if cross else ""),
        "EMULATOR": _emulator_row(board),
        "MODEL_ROW": _model_row(bundle),
        "TOOLCHAIN_FILE": ", `toolchain.cmake`" if cross else "",
        "CONTENT": _content(board, bundle),
        "FLASH": _flash(board, choice, bundle),
        "TALK": _talk(board, choice, bundle),
        "LICENCE": _licence(bundle),
    }
    return _render("README.md.in", values)


def _emulator_row(board: Board) -> str:
    if board.npu is None or board.npu.attachment != "emulator" or not board.is_host:
        return ""
    return "| `emulator/` | the emulated Ethos-U, which a real one replaces |\n"


def _model_row(bundle: Bundle | None) -> str:
    if bundle is None:
        return ""
    return "| `model/` | `model.edge`, the bundle, and `model.image`, what a device gets of it |\n"


def _content(board: Board, bundle: Bundle | None) -> str:
    if bundle is None:
        what = "All kernels and all parts are in, for any model that fits the board."
    else:
        parts = ", ".join(needed_parts(bundle)) or "none"
        what = (
            "Only the kernels that the model needs are in (the `EDGE_USE_` definitions of "
            f"`CMakeLists.txt`), and of the parts that can be left out: {parts}. `runtime/without` "
            "stands for the others. A model that needs more is refused when it is loaded; write "
            "the project again with its bundle."
        )
    sizes = ", ".join(f"{m.name} {m.size_bytes:,} bytes" for m in board.memories)
    return f"{what}\n\nMemories of the board: {sizes}."


def _flash(board: Board, choice: Choice, bundle: Bundle | None) -> str:
    image = "model/model.image" if bundle else "MODEL.image"
    base = board.memory("model").base
    if board.is_host:
        return (
            "The firmware is a process that speaks on its standard input and output:\n\n"
            f"```\nbuild/firmware.elf {image}\n```"
        )
    if board.emulator is None:
        return _probes(board, image)
    emulator = board.emulator
    if board.npu is not None:
        return (
            "QEMU's machine has no NPU: edgesdk serves the emulated one beside it, so that this "
            "firmware runs under `edgesdk flash` and `edgesdk run`, not under QEMU alone."
        )
    if link_of(board, choice) != "uart":
        return (
            f"The link `{link_of(board, choice)}` is memory that edgesdk shares with QEMU, so that "
            "this firmware runs under `edgesdk flash` and `edgesdk run`. For QEMU alone, write the "
            "project with `--link uart`."
        )
    qemu = [board.toolchain.emulator, "-M", str(emulator.machine)]
    qemu += [] if emulator.cpu is None else ["-cpu", emulator.cpu]
    others = "-serial null " * emulator.serial
    return (
        "```\n"
        f"{' '.join([*qemu, *emulator.options])} -display none -monitor none \\\n"
        f"    {others}-serial tcp::4000,server=on,wait=off -kernel build/firmware.elf \\\n"
        f"    -device loader,file={image},addr=0x{base or 0:X},force-raw=on\n```"
    )


def _probes(board: Board, image: str) -> str:
    """Commands of the tools that take any file, and where the model goes."""
    flash, model = board.flash, board.memory("model")
    in_flash, at = model.kind == "flash", f"0x{model.base or 0:08X}"
    ways = []
    if flash is not None and flash.openocd is not None:
        files = " ".join(f"-f {name}" for name in flash.openocd.config)
        programs = ["build/firmware.elf", *([f"{image} {at}"] if in_flash else [])]
        steps = "".join(f" -c 'program {what} verify'" for what in programs)
        ways.append(f"openocd {files}{steps} -c 'reset run' -c shutdown")
    if flash is not None and flash.pyocd is not None:
        target = f"pyocd flash -t {flash.pyocd.target}"
        ways.append(f"{target} build/firmware.hex")
        ways += [f"{target} --format bin --base-address {at} {image}"] if in_flash else []
    lines = "\n".join(ways)
    how = f", for instance:\n\n```\n{lines}\n```" if ways else "."
    where = "which only a probe writes" if in_flash else "over the link (LOAD)"
    return (
        "Write `build/firmware.elf` or `.hex` with what `[flash]` of the board file names"
        f"{how}\n\nThe model, `{image}`, goes to {at} as raw bytes, {where}."
    )


def _talk(board: Board, choice: Choice, bundle: Bundle | None) -> str:
    if choice.protocol == MLPERF_TINY:
        return BENCHES
    return f"{FRAMES}\n\nWith edgesdk installed:\n\n{_verbs(board, choice, bundle)}"


def _verbs(board: Board, choice: Choice, bundle: Bundle | None) -> str:
    model = "model/model.edge" if bundle else "MODEL.edge"
    if board.emulator is None or link_of(board, choice) == "uart":
        port = "/dev/ttyACM0" if board.emulator is None else "socket://localhost:4000"
        load = f"edgesdk flash {model} --port {port}      # another model; the firmware stays\n"
        return (
            f"```\n{'' if board.memory('model').kind == 'flash' else load}"
            f"edgesdk run CLIP.wav --port {port} --bundle {model}\n```"
        )
    return (
        f"```\nedgesdk flash {model} --board board/{board.path.name}\n"
        f"edgesdk run CLIP.wav --board {board.name}\n```\n\n"
        "builds the same sources as they are in edgesdk, and talks to those."
    )


def _licence(bundle: Bundle | None) -> str:
    code = "The code is under Apache-2.0, see `LICENSE`."
    return f"{code} The model has the licence of those who trained it." if bundle else code
