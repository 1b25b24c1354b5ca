"""Firmware for benches: MLPerf Tiny's protocol, as its runners drive it, on the host and QEMU."""

import contextlib
import os
import random
import re
import socket
import subprocess
import tempfile
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgesdk.board import load_board
from edgesdk.build import BuildOptions, Image, build
from edgesdk.bundle import Bundle, save_bundle
from edgesdk.cli.main import main
from edgesdk.core.compile import find_compiler
from edgesdk.errors import IdentityError
from edgesdk.firmware_sources import PROTOCOLS
from edgesdk.flash.store import Flashed, load, store
from edgesdk.link.device import open_device
from edgesdk.link.power import process_command, qemu_command
from edgesdk.mlperf_tiny import host_bytes
from edgesdk.needed import needed_options
from edgesdk_converters.lower import lower_single
from firmware_boards import QEMU
from mlperf_runner import Runner
from single_op import interpreter, run_oracle
from small_bundle import recogniser_bundle, single_bundle

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "firmware_templates"
HOST, M4 = load_board("host"), load_board("qemu-mps2-an386")
PROFILE = "ULPMark for tinyML Firmware V0.0.1"
MODELS = {
    "kws01": "kws_ref_model.tflite",
    "vww01": "vww_96_int8.tflite",
    "ic01": "pretrainedResnet_quant.tflite",
    "ad01": "ad01_int8.tflite",
    "tensors": "trained_lstm_int8.tflite",
}
ON_HOST = [pytest.param(HOST.name, name, marks=pytest.mark.needs_cc) for name in MODELS]
ON_QEMU = [pytest.param(M4.name, name, marks=QEMU) for name in ("kws01", "ad01")]


def _build(bundle: Bundle, board: str = "host", **options: Any) -> Image:
    chosen = BuildOptions() if bundle.is_recogniser else needed_options(bundle)
    chosen = replace(chosen, protocol="mlperf-tiny", **options)
    return build(load_board(board), bundle, chosen)


def _flashed(bundle: Bundle, folder: Path, board: str = "host", **options: Any) -> Flashed:
    store(_build(bundle, board, **options), folder)
    return load(board, folder)


@contextlib.contextmanager
def _process(flashed: Flashed, *arguments: str) -> Iterator[Runner]:
    """The host's firmware at a pseudo-terminal, which is a serial port to pyserial."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    runner = Runner(os.ttyname(theirs))
    command = [*process_command(flashed), *arguments]
    with subprocess.Popen(command, stdin=ours, stdout=ours) as process:
        os.close(ours)
        try:
            yield runner
        finally:
            process.kill()
            runner.close()
            os.close(theirs)


@contextlib.contextmanager
def _qemu(flashed: Flashed) -> Iterator[Runner]:
    """QEMU with its UART at a socket; what it said before somebody came is lost."""
    assert M4.emulator is not None
    with tempfile.TemporaryFile() as ram, socket.create_server(("127.0.0.1", 0)) as listener:
        ram.truncate(M4.emulator.ram_bytes or 0)
        files = (ram.fileno(), listener.fileno())
        command = qemu_command(M4, flashed, f"/proc/self/fd/{files[0]}", str(files[1]))
        with subprocess.Popen(command, pass_fds=files, stdin=subprocess.PIPE) as process:
            runner = Runner("socket://{}:{}".format(*listener.getsockname()))
            try:
                yield runner
            finally:
                process.kill()
                runner.close()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """A device with a graph of 32 bytes, ready."""
    with _process(_flashed(single_bundle(), tmp_path)) as started:
        started.until_ready()
        yield started


def _stimulus(name: str, inputs: int, scale: float, zero: int) -> tuple[bytes, np.ndarray]:
    """What a bench sends, and the int8 tensor that it means."""
    rng = np.random.default_rng(8)
    if name in ("vww01", "ic01"):
        pixels = rng.integers(0, 256, inputs).astype(np.uint8)
        return pixels.tobytes(), (pixels.astype(np.int16) - 128).astype(np.int8)
    if name == "ad01":
        values = rng.normal(-20, 30, inputs).astype("<f4")
        steps = values / np.float32(scale)
        rounded = np.trunc(steps + np.copysign(np.float32(0.5), steps)).astype(np.int32) + zero
        assert rounded.min() < -128 and rounded.max() > 127  # some have to be clipped
        return values.tobytes(), rounded.clip(-128, 127).astype(np.int8)
    tensor = rng.integers(-128, 128, inputs).astype(np.int8)
    return tensor.tobytes(), tensor


def _expected(name: str, sent: bytes, out: np.ndarray, scale: float, zero: int) -> str:
    real = (out.reshape(-1).astype(np.float32) - np.float32(zero)) * np.float32(scale)
    if name != "ad01":
        return ",".join(f"{value:.3f}" for value in real)
    total = np.float32(0)
    for off in real - np.frombuffer(sent, "<f4"):
        total += off * off
    return f"{total / np.float32(len(real)):.3f}"


@pytest.mark.needs_shared
@pytest.mark.parametrize(("board", "name"), [*ON_HOST, *ON_QEMU])
def test_benchmark_gives_what_the_reference_kernels_give(
    board: str, name: str, shared: Path, tmp_path: Path
) -> None:
    data = (shared / "data/models" / MODELS[name]).read_bytes()
    bundle = lower_single(data, name=name)
    (source,), (target,) = bundle.graphs["net"].inputs, bundle.graphs["net"].outputs
    sent, tensor = _stimulus(name, source.size_bytes, source.scale, source.zero_point)
    (out,) = run_oracle(interpreter(data), [tensor.reshape(source.shape)])
    expected = _expected(name, sent, out, target.scale, target.zero_point)
    with contextlib.ExitStack() as stack:
        if board == "host":
            runner = stack.enter_context(_process(_flashed(bundle, tmp_path)))
            runner.until_ready()
        else:
            runner = stack.enter_context(_qemu(_flashed(bundle, tmp_path, board, link="uart")))
            runner.flush()
        assert board in runner.name()
        assert runner.profile() == {"profile": PROFILE, "model": name}
        assert runner.load(sent) == ["m-load-done"]
        assert runner.printed() == sent
        once, twice = runner.infer(1, 1), runner.infer(2, 0)
        assert f"m-results-[{expected}]" in once.lines
        assert once.results == twice.results
        assert runner.send("results") == [f"m-results-[{expected}]"]
    for count, inference in ((1, once), (2, twice)):
        told = [line for line in inference.lines if not line.startswith("m-[No ")]
        begin = [f"m-warmup-start-{2 - count}", "m-warmup-done", f"m-infer-start-{count}"]
        assert told[:3] == begin
        assert told[5:] == ["m-infer-done", told[-1]]
        assert len(inference.laps) == 2
    if board != "host":
        assert "m-[No time: lap-us counts instructions]" in once.lines
        cost = once.laps[1] - once.laps[0]
        assert abs(twice.laps[1] - twice.laps[0] - 2 * cost) < 100


@pytest.mark.needs_cc
def test_greeting_help_and_a_flush_are_lines_of_the_protocol(tmp_path: Path) -> None:
    with _process(_flashed(single_bundle(), tmp_path)) as runner:
        greeting = runner.until_ready()
        assert greeting[0] == "m-timestamp-mode-performance"
        assert re.fullmatch(r"m-lap-us-\d+", greeting[-2]) and greeting[-1] == "m-init-done"
        assert runner.name() == "edgesdk host, lap-us is no time"
        assert runner.profile() == {"profile": PROFILE, "model": "tensors"}
        assert re.fullmatch(r"m-lap-us-\d+", runner.send("timestamp")[-1])
        assert {line.split()[0] for line in runner.send("help")} >= {"db", "infer", "results"}
        runner.raw(b"%")  # as runners flush a port
        assert runner.until_ready() == []
        assert runner.send(" \r\n name  ") == ["m-name-dut-[edgesdk host, lap-us is no time]"]


LONG = "x" * 257
REFUSALS = {
    "nonsense": "e-[Unknown command: nonsense]",
    "m-ready": "e-[Unknown command: m?ready]",
    "\x07]\x7f": "e-[Unknown command: ???]",
    "y" * 40: f"e-[Unknown command: {'y' * 32}...]",
    LONG: "e-[Command of more than 256 characters]",
    "name name": "e-[Too few or too many words: name]",
    "db": "e-[Too few or too many words: db]",
    "infer 1 2 3": "e-[Too few or too many words: infer]",
    "db load": "e-[Wrong words after db: see help]",
    "db 00 00": "e-[Wrong words after db: see help]",
    "db load 0": "e-[db load takes 1 to 32 bytes of this model]",
    "db load 33": "e-[db load takes 1 to 32 bytes of this model]",
    "db load -1": "e-[No number of 1 to 7 digits: ?1]",
    "db load 99999999999999999999": "e-[No number of 1 to 7 digits: 99999999999999999999]",
    "db 00": "e-[More bytes than the 0 that db load still expects]",
    "db print 1": "e-[Only 0 bytes are loaded]",
    "db print 0 4294967": "e-[Only 0 bytes are loaded]",
    "infer 0 0": "e-[infer takes 1 to 1000000 inferences, and no more warm-ups]",
    "infer 1 1000001": "e-[infer takes 1 to 1000000 inferences, and no more warm-ups]",
    "infer 1x": "e-[No number of 1 to 7 digits: 1x]",
    "infer": "e-[The model takes 32 bytes, 0 are loaded]",
    "results": "e-[No results: infer first]",
}


@pytest.mark.needs_cc
def test_what_is_refused_is_one_line_and_changes_nothing(runner: Runner) -> None:
    for command, line in REFUSALS.items():
        assert runner.send(command) == [line], command
    values = bytes(range(32))
    assert runner.load(values) == ["m-load-done"]
    first = runner.infer(1, 0).results
    table = np.arange(-128, 128).astype(np.int8)[::-1]
    sums = table[np.frombuffer(values, np.uint8) ^ 0x80].astype(int) + 5
    assert first == pytest.approx(0.1 * sums.clip(-128, 127))
    assert runner.infer(2, 3).results == first  # a state starts anew in every inference
    for command, line in REFUSALS.items():
        if not command.startswith(("infer", "results", "db load", "db print")):
            assert runner.send(command) == [line], command
    assert runner.send("results")[0].startswith("m-results-[")
    assert runner.printed() == values
    assert runner.printed("3") == values[:3] and runner.printed("9 23") == values[23:]
    assert runner.send("db print 10 23") == ["e-[Only 32 bytes are loaded]"]


@pytest.mark.needs_cc
def test_bytes_come_whole_or_not_at_all(runner: Runner) -> None:
    runner.load(bytes(32))
    assert runner.send("db load 33") == ["e-[db load takes 1 to 32 bytes of this model]"]
    assert runner.send("infer") == ["e-[The model takes 32 bytes, 0 are loaded]"]  # forgotten
    assert runner.send("db load 4") == ["m-[Expecting 4 bytes]"]
    assert runner.send("db a1B2c") == ["e-[Odd number of hex digits]"]
    assert runner.send("db a1B2cg") == ["e-[No hex digits: a1B2cg]"]
    assert runner.send("db 0102030405") == ["e-[More bytes than the 4 that db load still expects]"]
    assert runner.send("db a1B2") == []
    assert runner.printed() == bytes.fromhex("a1b2")
    assert runner.send("db 0304") == ["m-load-done"]
    assert runner.send("infer 1 0") == ["e-[The model takes 32 bytes, 4 are loaded]"]


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        (recogniser_bundle(), "image lacks a section that this needs"),
        (single_bundle(5 << 20), "memory given is too small"),
    ],
    ids=["recogniser", "no room for the host's bytes"],
)
def test_device_without_a_model_for_it_says_so(bundle: Bundle, why: str, tmp_path: Path) -> None:
    with _process(_flashed(bundle, tmp_path)) as runner:
        assert f"e-[No model: {why}]" in runner.until_ready()
        assert runner.profile()["model"] == "none"
        for command in ("db load 4", "db 00", "infer"):
            assert runner.send(command) == [f"e-[No model: {why}]"]


@pytest.mark.needs_cc
def test_device_after_a_fault_says_so_and_leaves_the_model_alone(tmp_path: Path) -> None:
    with _process(_flashed(single_bundle(), tmp_path), "2", "11", "4660") as runner:
        lines = runner.until_ready()
        assert "m-[Fault 11 at pc 00000000, address 00001234]" in lines
        assert "e-[No model: the processor took a fault]" in lines


@pytest.mark.parametrize(
    "board",
    [
        pytest.param("host", marks=pytest.mark.needs_cc),
        pytest.param("qemu-mps2-an386", marks=QEMU),
    ],
)
def test_edgesdk_says_that_the_device_speaks_the_other_protocol(board: str, tmp_path: Path) -> None:
    store(_build(single_bundle(), board), tmp_path)
    with pytest.raises(IdentityError, match="speaks MLPerf Tiny's protocol, not edgesdk's") as told:
        open_device(load_board(board), devices=tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.needs_cc
def test_edgesdk_recognises_a_device_that_greeted_long_ago(runner: Runner) -> None:
    assert runner.send("name")
    with pytest.raises(IdentityError, match="flash it without --protocol"):
        open_device(HOST, runner.port.port, hello_timeout_s=3)
    assert {line[:16] for line in runner.send("")} <= {"e-[No frames her"}
    assert runner.send("db load 32") == ["m-[Expecting 32 bytes]"]


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_mlperf_tiny"
    runtime, app = TEMPLATES / "runtime", TEMPLATES / "app"
    sources = [runtime / name for name in PROTOCOLS["mlperf-tiny"].runtime]
    sources += [path for part in ("kernels", "npu") for path in (runtime / part).rglob("*.c")]
    sources += sorted((app / "mlperf_tiny").glob("*.c"))
    flags = ["-std=c11", "-O1", "-g", "-ffp-contract=off"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if "clang" not in find_compiler()[0]:
        flags.append("-fsanitize=float-cast-overflow")
    includes = (app / "mlperf_tiny", app, runtime / "include", runtime / "kernels")
    flags += [f"-I{folder}" for folder in includes]
    files = [str(HERE / "fuzz_mlperf_tiny.c"), *map(str, sources)]
    subprocess.run([*find_compiler(), *flags, *files, "-o", str(program)], check=True)
    return program


@pytest.mark.needs_cc
@pytest.mark.parametrize("feed", ["tensors", "floats"])
def test_fuzzed_commands_stay_in_their_buffers(fuzzer: Path, tmp_path: Path, feed: str) -> None:
    """Noise, damaged and cut commands; each terminator gets one m-ready, and then all is well."""
    image = tmp_path / "image.edge"
    bundle = single_bundle() if feed == "tensors" else single_bundle(640)
    image.write_bytes(bundle.device_bytes())
    seed = random.randrange(1 << 31)
    plan = bundle.graphs["net"]
    room = -(-plan.arena_bytes // 16) * 16 + -(-plan.state_bytes // 16) * 16 + host_bytes(bundle)
    done = subprocess.run(
        [str(fuzzer), str(image), str(room), str(seed), "3000"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    inferences, refusals = map(int, done.stdout.split())
    assert inferences > 100 and refusals > 1000, f"seed {seed}: {done.stdout}"


def test_every_refusal_is_documented(repository: Path) -> None:
    source = (TEMPLATES / "app/mlperf_tiny/session.c").read_text(encoding="utf-8")
    page = (repository / "docs/mlperf-tiny.md").read_text(encoding="utf-8")
    begins = set(re.findall(r'"(e-\[[^"\]]*)', source))
    assert len(begins) > 10
    assert not [begin for begin in begins if begin.strip() not in page]


@pytest.mark.needs_cc
def test_flash_refuses_what_no_bench_can_drive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_bundle(recogniser_bundle(), tmp_path / "speech.edge")
    chosen = ["--protocol", "mlperf-tiny"]
    assert main(["flash", str(tmp_path / "speech.edge"), "--board", "host", *chosen]) == 2
    assert "holds a recogniser, which --protocol mlperf-tiny" in capsys.readouterr().err
    save_bundle(single_bundle(5 << 20), tmp_path / "large.edge")
    assert main(["flash", str(tmp_path / "large.edge"), "--board", "host", *chosen]) == 1
    assert "host's bytes 5242880" in capsys.readouterr().err
    assert main(["flash", str(tmp_path / "large.edge"), "--port", "loop://", *chosen]) == 2
    assert "--port leaves as it is" in capsys.readouterr().err


@pytest.mark.needs_gcc
def test_project_for_benches_has_their_application_alone(tmp_path: Path) -> None:
    save_bundle(single_bundle(), tmp_path / "model.edge")
    home = tmp_path / "home"
    arguments = ["--bundle", str(tmp_path / "model.edge"), "-o", str(home), "--link", "uart"]
    arguments += ["--protocol", "mlperf-tiny"]
    assert main(["new", "firmware", "--board", M4.name, *arguments]) == 0
    files = {path.relative_to(home).as_posix() for path in home.rglob("*.[ch]")}
    assert "app/mlperf_tiny/session.c" in files and "app/session.c" not in files
    assert not [name for name in files if name.endswith(("recogniser.c", "search.c", "wire.c"))]
    text = (home / "README.md").read_text(encoding="utf-8")
    assert "MLPerf Tiny" in text and "edgesdk run" not in text
