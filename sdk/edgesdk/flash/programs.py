"""Where flash tools are: programs on the path, Python packages beside us."""

import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from edgesdk.errors import HopelessError

EXTRA = "pip install 'edgesdk[flash]'"
PROGRAMS = {  # method -> programs that do it, the better one first, and what brings them
    "openocd": (("openocd",), "apt-get install openocd"),
    "jlink": (("JLinkExe", "JLink"), "install SEGGER's J-Link software (segger.com/downloads)"),
    "stm32": (
        ("STM32_Programmer_CLI", "st-flash"),
        "install STM32CubeProgrammer (st.com), or: apt-get install stlink-tools",
    ),
    "picotool": (("picotool",), "install picotool (github.com/raspberrypi/picotool)"),
}
PACKAGES = {"pyocd": "pyocd", "esptool": "esptool"}  # method -> package of the extra `flash`


def find_program(
    method: str, offered: Sequence[str] | None = None, *, dry_run: bool = False
) -> tuple[str, str]:
    """Name and path of the first program that does a method, or of the first of `offered`.

    In a dry run a program that is not there goes by its name.

    Raises:
        HopelessError: none is installed; says how to get one.
    """
    names, install = PROGRAMS[method]
    for name in offered or names:
        path = shutil.which(name)
        if path is not None:
            return name, path
    if dry_run:
        return (offered or names)[0], (offered or names)[0]
    wanted = " or ".join(offered or names)
    raise HopelessError(f"{wanted} is not installed; {install}")


def python_module(
    module: str, package: str | None = None, *, dry_run: bool = False
) -> tuple[str, ...]:
    """The command line that runs a module of ours, or of a package that need not be there.

    Raises:
        HopelessError: the package is not installed; says how to get it.
    """
    if package is not None and not dry_run and find_spec(package) is None:
        raise HopelessError(f"the Python package {package} is not installed; {EXTRA}")
    return (sys.executable, "-m", module)
