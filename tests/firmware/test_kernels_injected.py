"""Tests of the tests: with a defect in every kernel, every comparison must fail, and with a gap in
every check, the fuzzer must find each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edgesdk.resources import resource_dir
from graph_seeds import packed_conv, seed_bundle

pytestmark = pytest.mark.needs_cc
PACKED_CONV = "CONV_S8 packed"
TESTS = Path(__file__).resolve().parents[1]
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

# (file in runtime/kernels, what it holds, the defect, the comparison that must fail)
DEFECTS = [
    (
        "fully_connected/ref.c",
        "weights + row * depth, depth);",
        "weights, depth);",
        "kernels",
        "fully_connected(False)",
    ),
    (
        "fully_connected/wide_ref.c",
        "(int32_t)x[i] * weights[i]",
        "x[0] * weights[i]",
        "kernels",
        "fully_connected(True)",
    ),
    ("conv/ref.c", "return c->pad_row;", "return c->input;", "kernels", "convolution(False)"),
    ("depthwise_conv/ref.c", "o / repeats", "o % op->in_c", "kernels", "convolution(True)"),
    ("pool/windows.c", "sum + count / 2", "sum", "kernels", "pool('AVERAGE_POOL_2D')"),
    ("pool/largest_ref.c", "best = -128", "best = 0", "kernels", "pool('MAX_POOL_2D')"),
    ("arithmetic/ref.c", "op->sign2 * sb", "sb", "kernels", "arithmetic('SUB', 'int8')"),
    (
        "arithmetic/ref.c",
        "a[i * row->step1], b",
        "a[i], b",
        "kernels",
        "arithmetic('MUL', 'int16')",
    ),
    ("lut/ref.c", "input[i] ^ flip", "input[i]", "kernels", "curve_int8('TANH')"),
    ("curve/ref.c", "- y + (1 << 9) - 1", "- y + (1 << 9)", "kernels", "curve_int16('LOGISTIC')"),
    (
        "curve/ref.c",
        "-y + (1 << 23) + (1 << 7) - 1",
        "-y + (1 << 23) + (1 << 7)",
        "kernels",
        "curve_int16('TANH')",
    ),
    (
        "requantise/ref.c",
        "edge_wrap_add(value, op->zero_point)",
        "value",
        "kernels",
        "quantize(('int16', 'int8'))",
    ),
    (
        "mean/ref.c",
        "-(int32_t)op->reduce * op->input_zero_point",
        "0",
        "kernels",
        "mean('int8')",
    ),
    ("sums/ref.c", "y * area->row_step", "0", "kernels", "pool('AVERAGE_POOL_2D')"),
    ("softmax/ref.c", "value - 128", "value - 127", "kernels", "softmax()"),
    (
        "arithmetic/ref.c",
        "(a - b) * op->sign2 >= 0",
        "(a - b) >= 0",
        "foreign_kernels",
        "extreme('MINIMUM', 'int16')",
    ),
    (
        "arithmetic/ref.c",
        "(x * slope, op->multiplier",
        "(x * slope, op->multiplier1",
        "foreign_kernels",
        "prelu()",
    ),
    (
        "batch_matmul/ref.c",
        "right + b * rs[0]",
        "right",
        "foreign_kernels",
        "batch_matmul((False, True))",
    ),
    (
        "svdf/ref.c",
        "memory, memory + 1,",
        "memory, memory,",
        "foreign_kernels",
        "svdf_over_many_runs()",
    ),
    (
        "softmax16/row.h",
        "(value & 127) + 64",
        "(value & 127)",
        "foreign_kernels",
        "softmax_int16_of_every_difference()",
    ),
    (
        "arg_extreme/ref.c",
        "value > best",
        "value >= best",
        "classes",
        "first_of_equal_extremes('ARG_MIN', 'int16')",
    ),
    (
        "arg_extreme/ref.c",
        "o * op->reduce",
        "o",
        "foreign_kernels",
        "arg_extreme('ARG_MAX', ('int8', 'int32'))",
    ),
    (
        "log_softmax/ref.c",
        "BELOW_ONE + q +",
        "BELOW_ONE +",
        "classes",
        "log_softmax_of_every_scale_and_extreme()",
    ),
    (
        "lstm/gate_curves.c",
        "ONE - positive",
        "ONE + 1 - positive",
        "lstm",
        "lstm_equals_reference_over_many_invokes()",
    ),
    ("matrix/ref.c", "row % lanes * width", "0", "packed", "fully_connected('mve', 'small')"),
    ("matrix/ref.c", "(4 * row + column) * width", "0", "packed", "lstm('dsp', 'small')"),
    (
        "matrix/open.c",
        "block = {.first = row",
        "block = {.first = 0 * row",
        "packed",
        "lstm('mve', 'fast')",
    ),
    ("conv/window.c", "inside * op->in_c);", "op->in_c);", "packed", "convolution('dsp', 'fast')"),
    ("conv/packed.c", "size - reach : 0", "size : 0", "packed", "convolution('mve', 'dense')"),
    ("copy/ref.c", "in + i * is[0] + j * is[1]", "in + i * is[0]", "movement", "transpose('int8')"),
    (
        "gather/ref.c",
        "(uint32_t)indices[i] * op->row_bytes",
        "0",
        "movement",
        "lookup_and_its_bounds('GATHER')",
    ),
    (
        "fill/ref.c",
        "(uint32_t)op->value >> (8 * k)",
        "0",
        "movement",
        "pad_with_the_zero_point_and_with_a_value()",
    ),
]

# Runs comparisons against the C core in another folder; prints those that noticed nothing.
_COMPARE = """
import importlib, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + "/converters"]
import edgesdk.core.compile as compiling
compiling.resource_dir = lambda name: Path({root!r})
compiling._FLAGS = tuple("-O1" if flag == "-O2" else flag for flag in compiling._FLAGS)
for module, call in {cases!r}:
    cases = importlib.import_module("test_lower_" + module)
    try:
        eval("cases.test_" + call)
    except AssertionError:
        continue
    print(call)
"""

# (file in runtime/kernels, the check, what is left of it, the operator that then leaves its memory)
GAPS = [
    ("copy/check.c", "span(op, op->in_strides) > op->input_bytes ||", "", "COPY"),
    ("gather/check.c", "!edge_may_read(plan, op->table, table_bytes, 1) ||", "", "GATHER"),
    ("lut/check.c", "!edge_may_read(plan, op->input, op->count, 1) ||", "", "LUT_8"),
    ("softmax/check.c", "!edge_may_read(plan, op->input, count, 1) ||", "", "SOFTMAX_S8"),
    ("pool/check.c", "!touches(&columns) || ", "", "AVERAGE_POOL_S8"),
    ("arithmetic/check.c", "if (!edge_may_read(plan, ref, elements, width))", "if (0)", "ADD_S16"),
    ("lstm/check.c", "!edge_may_read(plan, op->input, input_bytes, 1) ||", "", "LSTM_S8"),
    ("conv/check.c", "!edge_may_read(plan, op->input, inputs, 1) ||", "", "CONV_S8"),
    ("conv/check.c", "edge_may_write(plan, op->scratch, bytes / 16, 16) &&", "", PACKED_CONV),
    ("batch_matmul/check.c", "edge_may_read(plan, ref, bytes, 1) &&", "", "BATCH_MATMUL_S8"),
    ("svdf/check.c", "!edge_may_read(plan, op->input, op->inputs, 1) ||", "", "SVDF_S8"),
    ("softmax16/check.c", "!edge_may_read(plan, op->input, count, 2) ||", "", "SOFTMAX_S16"),
    ("arg_extreme/check.c", "!edge_may_read(plan, op->input, inputs, width) ||", "", "ARG_EXTREME"),
    ("log_softmax/check.c", "!edge_within(exps[i], 0, 1 << 19)", "false", "LOG_SOFTMAX_S8"),
    ("npu/check.c", "{op->weights_bytes, op->scratch_bytes", "{1 << 20, 1 << 20", "NPU_ETHOSU"),
]


def _defective(folder: Path, changes: list[tuple[str, str, str]]) -> Path:
    """A copy of firmware_templates/ with changes in runtime/kernels."""
    root = folder / "firmware_templates"
    shutil.copytree(resource_dir("firmware_templates"), root)
    for file, old, new in changes:
        path = root / "runtime" / "kernels" / file
        text = path.read_text()
        assert old in text, f"{file} no longer holds {old!r}"
        path.write_text(text.replace(old, new))
    return root


def test_every_comparison_finds_its_wrong_kernel(tmp_path: Path) -> None:
    root = _defective(tmp_path, [defect[:3] for defect in DEFECTS])
    cases = [defect[3:] for defect in DEFECTS]
    script = _COMPARE.format(tests=str(TESTS), root=str(root), cases=cases)
    environment = {"EDGESDK_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:-1] == []


@pytest.fixture(scope="module")
def leaky_fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaky")
    runtime = _defective(folder, [gap[:3] for gap in GAPS]) / "runtime"
    sources = [runtime / "src" / f"{name}.c" for name in ("graph", "image", "npu")]
    sources += [*(runtime / "kernels").glob("*/*.c"), *(runtime / "npu").rglob("*.c")]
    sources += [Path(__file__).with_name("fuzz_graph.c")]
    command = ["gcc", "-std=c11", "-O1", *SANITIZE, f"-I{runtime / 'include'}"]
    subprocess.run([*command, *map(str, sources), "-o", str(folder / "fuzz")], check=True)
    return folder / "fuzz"


@pytest.mark.parametrize("op", [gap[3] for gap in GAPS])
def test_the_fuzzer_finds_a_missing_check(leaky_fuzzer: Path, tmp_path: Path, op: str) -> None:
    seed = tmp_path / "seed.edge"
    seed.write_bytes((packed_conv() if op == PACKED_CONV else seed_bundle(op)).to_bytes())
    command = [str(leaky_fuzzer), "3", "20000", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0, done.stdout
    assert "runtime error" in done.stderr or "AddressSanitizer" in done.stderr
