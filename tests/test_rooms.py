"""The walls between the rooms (docs/index.md): who may import whom, and what may be named where."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SDK = REPOSITORY / "sdk" / "edgesdk"
CONVERTERS = REPOSITORY / "converters" / "edgesdk_converters"
FIRMWARE = REPOSITORY / "firmware_templates"

# Verbs that hand work to the converters import them where they need them, and some files
# are on the converters' side: nobody may import them at import time.
HEAVY = (
    "edgesdk_converters",
    "edgesdk.cli.conversion",
    "edgesdk.cli.sweep",
    "edgesdk.cli.describe_models",
    "edgesdk.cli.npu_graphs",
)
HEAVY_FILES = (
    SDK / "cli" / "conversion.py",
    SDK / "cli" / "sweep.py",
    SDK / "cli" / "describe_models.py",
    SDK / "cli" / "npu_graphs.py",
)
MAY_CONVERT = {
    SDK / "cli" / "against.py",
    SDK / "cli" / "convert.py",
    SDK / "cli" / "emulate.py",
    SDK / "cli" / "inspect.py",
}
# What a converter may know of the sdk: the formats it reads and writes (bundles, streams of NPUs),
# the board it writes for, its errors;
# and the one file that joins all steps: the C core's features, because calibration has to see
# what the device will, the emulation that makes the samples for `validate`, and the recipe.
CONVERTERS_MAY_IMPORT = (
    "edgesdk.__version__",
    "edgesdk.board",
    "edgesdk.bundle",
    "edgesdk.errors",
    "edgesdk.npu",
)


def _imports(path: Path, *, lazy: bool) -> Iterator[str]:
    """Modules that a file imports: at import time, or (`lazy`) also inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = list(ast.walk(tree)) if lazy else list(_outside_functions(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        for_types_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not for_types_only:
            yield child
            yield from _outside_functions(child)


def _root_is(module: str, root: str) -> bool:
    return module == root or module.startswith(root + ".")


@pytest.mark.parametrize("path", sorted(SDK.rglob("*.py")), ids=lambda path: path.name)
def test_sdk_never_imports_the_converters_at_import_time(path: Path) -> None:
    if path in HEAVY_FILES:
        return
    imported = list(_imports(path, lazy=path not in MAY_CONVERT))
    assert not [name for name in imported if any(_root_is(name, heavy) for heavy in HEAVY)]


@pytest.mark.parametrize("path", sorted(CONVERTERS.rglob("*.py")), ids=lambda path: path.name)
def test_converters_know_only_the_sdks_formats(path: Path) -> None:
    may_import = CONVERTERS_MAY_IMPORT
    if path == CONVERTERS / "pipeline.py":
        may_import += ("edgesdk.biasing", "edgesdk.core", "edgesdk.emulate", "edgesdk.recipe")
    for name in _imports(path, lazy=True):
        if _root_is(name, "edgesdk") and name != "edgesdk":
            assert any(_root_is(name, allowed) for allowed in may_import), name


@pytest.mark.parametrize(
    "path",
    sorted(path for path in SDK.rglob("*.py") if path.parent != SDK / "cli"),
    ids=lambda path: path.name,
)
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "exit", "quit", "sys.exit", "os._exit")


def test_firmware_names_no_board() -> None:
    named = {path.stem for path in (REPOSITORY / "boards").glob("*.toml")} - {"host"}
    assert named
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in sorted(named)))
    files = [path for path in FIRMWARE.rglob("*") if path.is_file()]
    guilty = [path for path in files if pattern.search(path.read_text(encoding="utf-8"))]
    assert not guilty


def _headers(room: str) -> list[Path]:
    return sorted((FIRMWARE / room).rglob("*.h"))


@pytest.mark.needs_cc
@pytest.mark.parametrize(
    "header",
    [header for room in ("runtime", "app", "emulator") for header in _headers(room)],
    ids=lambda path: path.name,
)
def test_header_compiles_alone(header: Path) -> None:
    result = subprocess.run(
        [
            *("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"),
            *(f"-I{folder}" for folder in _include_dirs()),
            *("-include", str(header), "-xc", "/dev/null"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def _include_dirs() -> tuple[Path, ...]:
    folders = ("runtime/include", "runtime/src", "app", "runtime", "emulator")
    return tuple(FIRMWARE / folder for folder in folders)
