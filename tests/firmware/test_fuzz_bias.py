"""Seeded fuzzing of bias tables and their store under ASan and UBSan."""

import random
import subprocess
from pathlib import Path

import pytest
from edgesdk.biasing.table import Spelling, compile_table
from edgesdk.bundle.sections import BiasSection
from edgesdk.core.compile import find_compiler
from test_bias_store import make_rows

pytestmark = pytest.mark.needs_cc

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "firmware_templates" / "runtime"
VOCAB, CRC = 6, 4242


def _section() -> bytes:
    rng = random.Random(3)
    tables = []
    for name in ("a", "b", "long-name.of_31_characters_9999"):
        tokens = [tuple(rng.choices(range(VOCAB), k=rng.randint(1, 7))) for _ in range(9)]
        spellings = [Spelling(t, tuple(range(1, len(t) + 1))) for t in tokens]
        tables.append(compile_table(name, spellings, 9, VOCAB, CRC).data)
    tables += [make_rows("a", 3), make_rows("rows", 5)]
    return BiasSection(3 * len(tables[0]) // 16 * 16, tuple(tables)).encode()


def test_damaged_tables_and_sections_then_stay_in_their_buffers(tmp_path: Path) -> None:
    program, section = tmp_path / "fuzz_bias", tmp_path / "section"
    section.write_bytes(_section())
    flags = ["-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += ["-ffunction-sections", "-Wl,--gc-sections"]  # no graph is opened
    sources = [
        RUNTIME / "src" / f"{name}.c" for name in ("attention", "bias", "bias_store", "image")
    ]
    files = [str(path) for path in (HERE / "fuzz_bias.c", *sources)]
    command = [*find_compiler(), *flags, f"-I{RUNTIME / 'include'}", *files, "-o", str(program)]
    subprocess.run(command, check=True)
    seed = random.randrange(1 << 31)
    arguments = [str(section), str(VOCAB), str(CRC), str(seed), "4000"]
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    found = tuple(map(int, done.stdout.split()))
    assert min(found) > 500, f"seed {seed}: too few pass the checks: {done.stdout}"
