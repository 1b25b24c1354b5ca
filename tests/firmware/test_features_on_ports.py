"""Features give the same bits on every port: host compilers, Cortex-M3, M4F and M55."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import front_sections
import pytest
from front_sections import FrontEnd

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
SOURCES = [str(HERE / "features_on_port.c"), str(RUNTIME / "src" / "features.c")]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
FRONTS = {"usual": FrontEnd(), "magnitude": FrontEnd(use_power=False, snip_edges=False)}
ARM = ["arm-none-eabi-gcc", "-mthumb", "-nostartfiles", "--specs=nano.specs"]
HOST_COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
CORES = {
    "cortex-m3": ("mps2-an385", ["-mcpu=cortex-m3"]),
    "cortex-m4f": ("mps2-an386", ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
    "cortex-m55": ("mps3-an547", ["-mcpu=cortex-m55", "-mfloat-abi=hard"]),
}


def _section(folder: Path, front: str) -> str:
    path = folder / "feat.bin"
    path.write_bytes(front_sections.features_section(FRONTS[front]))
    return f'-DSECTION="{path}"'


@cache
def _host_digest(front: str, folder: Path) -> str:
    return _on_host("gcc", "-O2", front, folder)


def _on_host(compiler: str, optimise: str, front: str, folder: Path) -> str:
    program = folder / f"host-{compiler}{optimise}"
    options = [optimise, _section(folder, front), f"-I{RUNTIME / 'include'}", "-no-pie"]
    subprocess.run([compiler, *FLAGS, *options, *SOURCES, "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.needs_cc
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("optimise", ["-O0", "-O3"])
@pytest.mark.parametrize("compiler", HOST_COMPILERS)
def test_features_of_any_host_compiler_then_have_the_same_bits(
    compiler: str, optimise: str, front: str, tmp_path: Path
) -> None:
    digest = _on_host(compiler, optimise, front, tmp_path)
    assert len(digest) == 8 and digest != "00000000"
    assert digest == _host_digest(front, tmp_path)


@pytest.mark.needs_cc
@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("core", CORES)
def test_features_of_an_emulated_core_then_have_the_hosts_bits(
    core: str, front: str, tmp_path: Path
) -> None:
    machine, options = CORES[core]
    program = tmp_path / "features.elf"
    options = [*options, "-O3", _section(tmp_path, front), f"-I{RUNTIME / 'include'}"]
    files = [*SOURCES, "-T", str(HERE / "features_on_port.ld"), "-o", str(program)]
    subprocess.run([*ARM, *FLAGS, *options, *files], check=True)
    emulator = ["qemu-system-arm", "-M", machine, "-kernel", str(program), "-display", "none"]
    emulator += ["-monitor", "none", "-serial", "none"]
    emulator += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(emulator, capture_output=True, text=True, timeout=60)
    assert (done.stdout + done.stderr).strip() == _host_digest(front, tmp_path)
