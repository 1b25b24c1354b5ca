"""The tools of each architecture: their names, their Debian packages, what they have to be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Toolchain:
    """What makes and emulates firmware; the host's C library is the system's."""

    processors: str  # for people
    gcc: str  # compiles, and links what clang compiles too
    gcc_package: str
    library: str = ""
    library_package: str = ""
    library_flags: tuple[str, ...] = ()  # of a link
    header_flags: tuple[str, ...] = ()  # that let GCC find the library's headers
    triple: str = ""  # of clang
    emulator: str = ""
    emulator_package: str = ""


TOOLCHAINS = {
    "host": Toolchain("this computer", "gcc", "gcc"),
    "arm": Toolchain(
        processors="Cortex-M",
        gcc="arm-none-eabi-gcc",
        gcc_package="gcc-arm-none-eabi",
        library="newlib",
        library_package="libnewlib-arm-none-eabi",
        library_flags=("--specs=nano.specs",),
        triple="arm-none-eabi",
        emulator="qemu-system-arm",
        emulator_package="qemu-system-arm",
    ),
    "riscv": Toolchain(
        processors="RISC-V",
        gcc="riscv64-unknown-elf-gcc",
        gcc_package="gcc-riscv64-unknown-elf",
        library="picolibc",
        library_package="picolibc-riscv64-unknown-elf",
        library_flags=("--specs=picolibc.specs",),
        header_flags=("--specs=picolibc.specs",),
        triple="riscv32-unknown-elf",
        emulator="qemu-system-riscv32",
        emulator_package="qemu-system-misc",
    ),
}
