"""What the machine offers to tests: named skips where it lacks something, and no silent ones."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

# Speed is for benchmarks; on a busy computer a deadline fails what is right.
settings.register_profile("edgesdk", deadline=None)
settings.load_profile("edgesdk")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("EDGESDK_SHARED", REPOSITORY.parent / "shared"))

NEEDS = {
    "needs_cc": ("a host C compiler (gcc or clang)", bool(shutil.which("gcc"))),
    "needs_gcc": ("arm-none-eabi-gcc", bool(shutil.which("arm-none-eabi-gcc"))),
    "needs_cmake": ("cmake", bool(shutil.which("cmake"))),
    "needs_qemu": ("qemu-system-arm", bool(shutil.which("qemu-system-arm"))),
    "needs_riscv": (
        "riscv64-unknown-elf-gcc or qemu-system-riscv32",
        bool(shutil.which("riscv64-unknown-elf-gcc") and shutil.which("qemu-system-riscv32")),
    ),
    "needs_openocd": ("openocd", bool(shutil.which("openocd"))),
    "needs_st_flash": ("st-flash", bool(shutil.which("st-flash"))),
    "needs_shared": (f"the data folder {SHARED.name}/ (EDGESDK_SHARED)", SHARED.is_dir()),
}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' data folder; only in tests marked needs_shared."""
    return SHARED


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help="fail where a test was skipped for another reason than a missing data folder",
    )


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        for marker, (what, present) in NEEDS.items():
            if not present and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"{marker}: this machine lacks {what}"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --strict-skips, an unexpected skip turns a green run red."""
    if not session.config.getoption("--strict-skips"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    unexpected = [report for report in skipped if "needs_shared: " not in str(report.longrepr)]
    if unexpected:
        reporter.write_line("")
    for report in unexpected:
        reporter.write_line(f"unexpected skip: {report.nodeid}: {report.longrepr}", red=True)
    if unexpected and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
