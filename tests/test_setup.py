"""tools/setup.sh on a bare machine, played by stubs: what it installs, and what it leaves alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
NEEDED = ("dirname", "env", "touch", "mkdir", "chmod", "cat", "sh")

# Without its venv package, Python finds no ensurepip; apt-get brings what it is asked for.
PYTHON = """#!/bin/sh
case "$*" in
-c*ensurepip*) [ -e "$TOOLS/python3.11-venv" ] ;;
"-m venv .venv") mkdir -p .venv/bin && printf '#!/bin/sh\\necho pip "$@" >>"$LOG"\\n' \
  >.venv/bin/python && chmod +x .venv/bin/python ;;
esac
"""
APT = """#!/bin/sh
echo apt-get "$@" >>"$LOG"
[ "$1" = install ] || exit 0
for name in "$@"; do : >"$TOOLS/$name"; done
"""
ID = """#!/bin/sh
echo "$USER_ID"
"""


def _machine(folder: Path, *present: str) -> Path:
    """A checkout beside a folder of all the programs that the machine has."""
    tools, checkout = folder / "bin", folder / "checkout"
    tools.mkdir()
    (checkout / "tools").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tools" / "setup.sh", checkout / "tools")
    shutil.copy(REPOSITORY / "pyproject.toml", checkout)
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    stubs = {"python3.11": PYTHON, "apt-get": APT, "id": ID}
    for name, text in {**stubs, **dict.fromkeys(present, "#!/bin/sh\n")}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return checkout


def _set_up(
    checkout: Path, board: str, user_id: int = 0
) -> tuple[subprocess.CompletedProcess[str], str]:
    tools, log = checkout.parent / "bin", checkout.parent / "log"
    finished = subprocess.run(
        [str(tools / "sh"), str(checkout / "tools" / "setup.sh"), board, "convert,emulate"],
        env={"PATH": str(tools), "TOOLS": str(tools), "LOG": str(log), "USER_ID": str(user_id)},
        capture_output=True,
        text=True,
        check=False,
    )
    return finished, log.read_text() if log.exists() else ""


@pytest.mark.parametrize(
    ("board", "wanted"),
    [
        ("host", ["python3.11-venv", "gcc", "libc6-dev"]),
        ("host-u55", ["python3.11-venv", "gcc", "libc6-dev"]),
        (
            "qemu-mps3-an547",
            [
                *("python3.11-venv", "gcc", "libc6-dev"),
                *("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm"),
            ],
        ),
        (
            "qemu-riscv-virt",
            [
                *("python3.11-venv", "gcc", "libc6-dev"),
                *("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc"),
            ],
        ),
        (
            "all",
            [
                *("python3.11-venv", "gcc", "libc6-dev"),
                *("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm"),
                *("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc"),
                *("clang", "cmake", "make", "openocd", "stlink-tools"),
            ],
        ),
    ],
)
def test_bare_machine_gets_what_the_board_needs(
    board: str, wanted: list[str], tmp_path: Path
) -> None:
    finished, log = _set_up(_machine(tmp_path), board)
    assert finished.returncode == 0, finished.stderr
    (installed,) = [line for line in log.splitlines() if line.startswith("apt-get install")]
    assert installed.split("--no-install-recommends ")[1].split() == wanted
    assert "pip -m pip install" in log and ".[convert,emulate]" in log


def test_second_run_installs_nothing(tmp_path: Path) -> None:
    checkout = _machine(tmp_path, "gcc")
    (tmp_path / "bin" / "python3.11-venv").touch()
    first, log = _set_up(checkout, "host")
    assert first.returncode == 0, first.stderr
    assert "apt-get" not in log
    assert _set_up(checkout, "host")[1] == log


def test_user_without_root_is_told_what_to_run(tmp_path: Path) -> None:
    finished, log = _set_up(_machine(tmp_path), "host", user_id=1000)
    assert finished.returncode == 1
    assert "run as root: apt-get install python3.11-venv gcc libc6-dev" in finished.stderr
    assert log == ""
