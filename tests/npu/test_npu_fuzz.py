"""Seeded fuzzing of the emulated NPU under ASan and UBSan: streams, weights and registers."""

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conformance.goldens import load
from conformance.store import GOLDENS
from edgesdk.core.compile import find_compiler
from edgesdk.npu.accelerators import ACCELERATORS
from random_operations import Maker

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "firmware_templates"
OPERATIONS = ("CONV", "DEPTHWISE", "POOL", "ELEMENTWISE")


def _fuzzer(name: str, folder: Path) -> Path:
    program = folder / name
    sources = [*(TEMPLATES / "emulator" / "ethosu").glob("*.c")]
    sources += (TEMPLATES / "runtime" / "npu" / "ethosu").glob("*.c")
    flags = ["-std=c11", "-O1", "-g", "-ffp-contract=off"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += [f"-I{TEMPLATES / folder}" for folder in ("emulator", "runtime", "runtime/include")]
    files = [str(HERE / f"{name}.c"), *map(str, sources)]
    subprocess.run([*find_compiler(), *flags, *files, "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _fuzzer("fuzz_emulator", tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_damaged_operations_then_stay_in_their_memory(
    fuzzer: Path, tmp_path: Path, operation: str
) -> None:
    ended = failed = 0
    for number, accelerator in enumerate(ACCELERATORS.values()):
        chosen, seed = random.randrange(1 << 20), random.randrange(1 << 31)
        case = Maker(chosen, accelerator).make(operation)
        words, path = case.words(), tmp_path / f"{number}.case"
        sizes = [accelerator.config, len(words), *map(len, case.memory)]
        head = np.array(sizes, np.uint32).tobytes()
        path.write_bytes(head + words.tobytes() + b"".join(map(bytes, case.memory)))
        command = [str(fuzzer), str(path), str(seed), "400"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"case {chosen} seed {seed}: {done.stdout}{done.stderr}"
        ended += int(done.stdout.split()[0])
        failed += int(done.stdout.split()[1])
    assert min(ended, failed) > 100, (ended, failed)


def test_streams_that_are_accepted_then_never_leave_their_memory(tmp_path: Path) -> None:
    """Streams of whole graphs, whose damage passes the check on load, on the emulator."""
    program, file = _fuzzer("fuzz_streams", tmp_path), tmp_path / "streams"
    seed = random.randrange(1 << 31)
    whole = [one.compiled for one in load(GOLDENS)[0] if len(one.compiled.words) < 1500]
    with file.open("wb") as out:
        for one in random.Random(seed).sample(whole, 60):
            sizes = len(one.words), one.weights.size, one.scratch_bytes, one.fast_bytes
            out.write(np.array([one.config, *sizes], np.uint32).tobytes() + one.words.tobytes())
    command = [str(program), str(file), str(seed), "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    accepted, ended = map(int, done.stdout.split())
    assert accepted > 300 and ended > 30, f"seed {seed}: {done.stdout}"
