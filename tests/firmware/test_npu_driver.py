"""The driver of the Ethos-U on a fake NPU: every access in order, every way that a job can end."""

import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from edgesdk.bundle.plan import Plan, Ref
from edgesdk.link.status import Status
from graph_seeds import seed_plan

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
DRIVER = "npu/ethosu/driver.c"
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wmissing-prototypes", "-Wvla", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g", "-no-pie"]
ARM = ["arm-none-eabi-gcc", "-mthumb", "-nostartfiles", "--specs=nano.specs", "-O2"]
CORES = {
    "cortex-m4": ("mps2-an386", ["-mcpu=cortex-m4"]),
    "cortex-m55": ("mps3-an547", ["-mcpu=cortex-m55"]),
}

LIMITS = "w40=11 w44=22 w48=33 w4c=44 w1c=2 w3c=13"
QUEUE = "w10=60000000 w14=0 w20=24"
REGIONS = "w80=60000100 w84=0 w88=60000200 w8c=0 w90=60000200 w94=0"
COUNT = "w180=7 w380=30 w384=82 w388=87 w38c=182 w1a8=200023 w184=8000000f"
COUNTED = "w188=8000000f r1a4 r1a0 r300 r304 r308 r30c"
RESET = "wc=1 r4 r24"
OTHER = RESET.replace("=1", "=2")
SET_UP = f"{LIMITS} {QUEUE} {REGIONS} {COUNT} clean:200+88 w8=1 r4"
BEGIN = f"w8=0 r4 r24 {SET_UP}"
END = f"w8=2 {COUNTED} w8=c drop:200+88"
GIVEN_UP = f"w8=2 {RESET} drop:200+88"


def _two_steps() -> Plan:
    """The seed's step for an NPU, twice, each with a stream and weights of its own."""
    plan = seed_plan("NPU_ETHOSU")
    step, size = plan.records[0], len(plan.constants)
    moved = {
        name: Ref("const", ref.offset + size).encode()
        for name, ref in step.refs().items()
        if ref.space == "const"
    }
    second = replace(step, values={**step.values, **moved})
    return replace(plan, records=(step, second), constants=2 * plan.constants)


PLAN = _two_steps()
CONSTANTS = struct.unpack_from("<I", PLAN.encode(), 24)[0]  # const_offset
# Their streams and weights in the section.
STEPS = [
    [CONSTANTS + step.refs()[name].offset for name in ("stream", "weights")]
    for step in PLAN.records
]
ATTACHED = " ".join(
    f"r28 r0 {RESET if at == 0 else ''} clean:{0x100000 + stream:x}+2c "
    f"clean:{0x100000 + weights:x}+10"
    for at, (stream, weights) in enumerate(STEPS)
).replace("  ", " ")
INVOKED = " ".join(
    f"w8=0 r4 r24 {LIMITS} w10={0x60100000 + stream:x} w14=0 w20=2c "
    f"w80={0x60100000 + weights:x} w84=0 w88=60000000 w8c=0 w90=60000000 w94=0 {COUNT} "
    f"clean:0+400 w8=1 r4 w8=2 {COUNTED} w8=c drop:0+400"
    for stream, weights in STEPS
)

# What comes out, a line per case: name, accesses in order, status.
EXPECTED = [
    ("open", "", Status.OK),
    ("bind", "", Status.OK),
    ("unattached", "", Status.NPU_MISSING),
    ("no-npu", "", Status.NPU_MISSING),
    ("attach", ATTACHED, Status.OK),
    ("invoke", INVOKED, Status.OK),
    ("other-npu", "r28 r0", Status.NPU_CONFIG),
    ("detached", "", Status.NPU_MISSING),
    ("other-level", f"r28 r0 {RESET}", Status.NPU_SECURITY),
    ("no-cache", f"r28 r0 {RESET} r28 r0", Status.OK),
    ("ends-at-once", f"{BEGIN} {END}", Status.OK),
    ("third-wait", f"{BEGIN} wait r4 wait r4 wait r4 {END}", Status.OK),
    ("counts", "4 20 200 202 204 206", 2),  # cycles, high and low; events; both jobs
    (
        "own-fast",
        f"w8=0 r4 r24 {LIMITS} {QUEUE} {REGIONS.replace('w90=60000200', 'w90=60000400')} {COUNT} "
        f"clean:200+88 clean:400+20 w8=1 r4 {END} drop:400+20",
        Status.OK,
    ),
    (
        "wide-address",
        f"w8=0 r4 r24 {LIMITS} w10=0 w14=ff w20=24 "
        f"w80=0 w84=0 w88=200 w8c=ff w90=400 w94=ff {COUNT} "
        f"clean:200+88 clean:400+20 w8=1 r4 {END} drop:400+20",
        Status.OK,
    ),
    ("plain", "", Status.OK),  # no hooks; addresses are the core's own
    ("error", "4 not counted", Status.NPU_BUS),
    ("next", "", Status.OK),
    ("error", "10 not counted", Status.NPU_PARSE),
    ("next", "", Status.OK),
    ("error", "80 not counted", Status.NPU_FAULT),  # watchdog
    ("next", "", Status.OK),
    ("error", "100 not counted", Status.NPU_FAULT),  # ECC
    ("next", "", Status.OK),
    ("error", "8 not counted", Status.NPU_FAULT),  # in reset
    ("next", "", Status.OK),
    ("error", "1 not counted", Status.NPU_FAULT),  # still running
    ("next", "", Status.OK),
    ("error", "0 not counted", Status.NPU_FAULT),  # stopped before its end
    ("next", "", Status.OK),
    ("bus", f"{BEGIN} {GIVEN_UP}", Status.NPU_BUS),
    ("limit", f"{BEGIN} wait r4 {GIVEN_UP}", Status.NPU_TIMEOUT),
    ("hangs", "", Status.NPU_FAULT),  # and so does the reset behind it,
    ("hangs-on", "", Status.NPU_TIMEOUT),  # which the next job meets
    ("wakes", "", Status.NPU_TIMEOUT),
    ("level", RESET, Status.OK),
    ("level-non-secure", RESET, Status.NPU_SECURITY),
    ("level-asked", OTHER, Status.OK),
    ("level-job", f"w8=0 r4 {OTHER}", Status.NPU_SECURITY),
    ("level-job-again", f"w8=0 r4 r24 {OTHER}", Status.NPU_SECURITY),
    ("level-back", f"w8=0 r4 r24 {OTHER} w8=0 {SET_UP} {END}", Status.OK),
    ("left-running", f"w8=0 r4 {OTHER} w8=0 {SET_UP} {END}", Status.OK),
    ("identity", "r28 r0", Status.OK),
    *[("identity", "r28 r0", Status.NPU_CONFIG)] * 5,  # MACs, stream, SHRAM, product, DMA
    ("identity", "r28 r0", Status.OK),  # functional safety is no matter
    *[("identity", "r28 r0", Status.NPU_CONFIG)] * 2,  # another, and a newer architecture
    ("identity", "r28 r0", Status.OK),  # another patch
    ("identity-more", "r28 r0", Status.OK),  # an NPU with more than was asked for
    ("32-bits", "", Status.OK),
    ("32-bits-end", "untouched", Status.NPU_BOUNDS),
    ("33-bits", "untouched", Status.NPU_BOUNDS),
    ("40-bits", "", Status.OK),
    ("40-bits-end", "untouched", Status.NPU_BOUNDS),
    ("odd", "untouched", Status.NPU_BOUNDS),
    ("odd-weights", "", Status.NPU_BOUNDS),
]


def _compile(command: list[str], program: Path, runtime: Path = RUNTIME) -> None:
    section = program.with_suffix(".bin")
    section.write_bytes(PLAN.encode())
    sources = [HERE / "npu_driver_cases.c", runtime / "src/graph.c", runtime / "src/npu.c"]
    sources += [*(runtime / "kernels/npu").glob("*.c"), *(runtime / "npu").rglob("*.c")]
    options = [f"-I{RUNTIME / 'include'}", f'-DSECTION="{section}"']
    options += ["-DEDGE_KERNELS_ONLY", "-DEDGE_USE_NPU_ETHOSU"]
    paths = [str(path) for path in sources]
    subprocess.run([*command, *FLAGS, *options, *paths, "-o", str(program)], check=True)


def _cases(text: str) -> list[tuple[str, str, int]]:
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        accesses, _, status = rest.rpartition("->")
        found.append((name, accesses.strip(), int(status)))
    return found


def _on_host(compiler: str, folder: Path, runtime: Path = RUNTIME) -> list[tuple[str, str, int]]:
    program = folder / f"driver-{compiler}"
    _compile([compiler, *SANITIZE], program, runtime)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return _cases(done.stdout)


@pytest.mark.needs_cc
@pytest.mark.parametrize("compiler", [name for name in ("gcc", "clang") if shutil.which(name)])
def test_every_access_and_every_end_of_a_job(compiler: str, tmp_path: Path) -> None:
    assert _on_host(compiler, tmp_path) == EXPECTED


@pytest.mark.needs_gcc
@pytest.mark.needs_qemu
@pytest.mark.parametrize("core", CORES)
def test_a_cortex_m_does_the_same(core: str, tmp_path: Path) -> None:
    machine, options = CORES[core]
    program = tmp_path / "driver.elf"
    script = str(HERE / "features_on_port.ld")
    _compile([*ARM, *options, "-ffunction-sections", "-T", script], program)
    emulator = ["qemu-system-arm", "-M", machine, "-kernel", str(program), "-display", "none"]
    emulator += ["-monitor", "none", "-serial", "none"]
    emulator += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(emulator, capture_output=True, text=True, timeout=60)
    assert _cases(done.stdout + done.stderr) == EXPECTED


DEFECTS = {
    "it may lose power in a job": (DRIVER, "  stay_awake(npu);\n  const", "  const"),
    "it may lose power behind a reset": (
        DRIVER,
        "    stay_awake(npu);\n  }\n  return",
        "  }\n  return",
    ),
    "it keeps its power where there is no job": (
        DRIVER,
        "  if (status == EDGE_OK) { /* else",
        "  { /*",
    ),
    "it keeps its power between jobs": (
        DRIVER,
        "EDGE_ETHOSU_CMD_CLOCK_OFF | EDGE_ETHOSU_CMD_POWER_OFF",
        "EDGE_ETHOSU_CMD_CLOCK_OFF",
    ),
    "it rests before its counters are read": (
        DRIVER,
        "    add_counters(npu);\n    rest(npu);",
        "    rest(npu);\n    add_counters(npu);",
    ),
    "the end is not looked at": (DRIVER, "(status & EDGE_ETHOSU_STATUS_END) != 0", "status != 0"),
    "no reset behind an error": (DRIVER, "(void)edge_ethosu_reset(npu);", ""),
    "caches are dropped too early": (
        DRIVER,
        "  clean(npu, job);",
        "  clean(npu, job), invalidate(npu, job);",
    ),
    "the level is not compared": (DRIVER, "(other & EDGE_ETHOSU_PROT_MASK) == 0", "other != 99"),
    "one byte behind memory": (DRIVER, "<= end - bytes", "<= end - bytes + 16"),
    "three quarters of a stream stay in the cache": ("src/npu.c", "4 * op->stream", "op->stream"),
    "graph keeps a wrong NPU": ("src/npu.c", "status == EDGE_OK ? npu : NULL", "npu"),
}


@pytest.mark.needs_cc
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_wrong_driver_is_found(defect: str, tmp_path: Path) -> None:
    file, old, new = DEFECTS[defect]
    runtime = tmp_path / "firmware_templates" / "runtime"
    shutil.copytree(RUNTIME, runtime)
    text = (runtime / file).read_text()
    assert text.count(old) == 1
    (runtime / file).write_text(text.replace(old, new))
    assert _on_host("gcc", tmp_path, runtime) != EXPECTED
