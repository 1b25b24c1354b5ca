"""`edgesdk convert`: a trained model to .tflite files and a bundle that fits the board."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.board import Board, load_board
from edgesdk.bundle import BiasSection, Bundle
from edgesdk.bundle.layout import BIAS
from edgesdk.cli.bias_tables import compile_shipped
from edgesdk.cli.compression_view import found_by_values, tensor_table
from edgesdk.cli.firmware import firmware_sizes
from edgesdk.cli.memory_view import fit_details, memory_document, memory_table
from edgesdk.cli.npu_view import npu_views
from edgesdk.cli.options import (
    By,
    ByOption,
    ExpectOption,
    JsonOption,
    OptionalBoardOption,
    terminal,
)
from edgesdk.cli.output_folder import check_replaceable, write_folder
from edgesdk.cli.terminal import Terminal
from edgesdk.errors import ConvertError, EdgeError, FitError
from edgesdk.fit import MemoryUse, check_fit, memory_use, peak_of
from edgesdk.recipe import AttentionRecipe, Recipe, load_recipe, recipe_toml

if TYPE_CHECKING:
    from edgesdk_converters.pipeline import Conversion

BUNDLE_FILE = "model.edge"
_UNITS = {"tables": "nodes", "attention": "rows"}


def _convert(
    term: Terminal, source: Path, calibration: Path | None, recipe: Recipe, board: Board
) -> "Conversion":
    try:
        from edgesdk.cli import conversion
    except ImportError as error:
        raise ConvertError(
            f"{error.name} is not installed; install it with: pip install 'edgesdk[convert]'"
        ) from error
    if source.suffix == ".tflite":
        return conversion.convert_tflite(source, recipe, board)
    folder = conversion.find_calibration(source, calibration)
    with term.progress(f"converting {source}, calibrating on {folder}") as tell:
        return conversion.convert_folder(source, folder, recipe, board, tell)


def _graph_table(graphs: Mapping[str, Any]) -> Table:
    table = Table("graph", "operators", box=None, pad_edge=False)
    for column in ("parameters", "bytes", "SQNR dB"):
        table.add_column(column, justify="right")
    table.add_column("ranges")
    for role, graph in graphs.items():
        operators = ", ".join(
            f"{count} {name}" if count > 1 else name for name, count in graph["operators"].items()
        )
        noise = min(graph["sqnr_db"].values(), default=None)
        table.add_row(
            role,
            operators,
            f"{graph['parameters']:,}",
            f"{graph['bytes']:,}",
            "not measured" if noise is None else f"{noise:.1f}",
            graph["method"],
        )
    return table


def _with_phrases(made: "Conversion", phrases: list[str] | None, by: By | None) -> "Conversion":
    """The conversion with tables of these phrases in its bundle."""
    compiled = compile_shipped(phrases, made.bundle, by)
    if compiled is None:
        return made
    section = BiasSection(made.bundle.bias.room_bytes, tuple(t.data for t in compiled.tables))
    tables = ", ".join(
        f"{t.name}: {t.phrases} phrases, {t.nodes} {_UNITS[t.kind]}" for t in compiled.tables
    )
    notes = (*made.notes, *compiled.warnings, f"bias tables in the bundle: {tables}")
    bundle = made.bundle.with_sections(**{BIAS: section.encode()})
    return replace(made, bundle=bundle, notes=notes)


@dataclass(frozen=True)
class _Fit:
    """What each memory of the board will hold, and why it does not, where it does not."""

    uses: tuple[MemoryUse, ...]
    counted: bool  # whether `uses` have the firmware
    note: str = ""
    refusal: FitError | None = None


def _fit(term: Terminal, board: Board, bundle: Bundle) -> _Fit:
    """The bundle first, which is quick; then with the firmware that flash would build."""
    uses, sizes = memory_use(board, bundle), None
    try:
        check_fit(board, bundle, uses)
        with term.progress(f"building firmware for {board.name} to count it"):
            sizes, note = firmware_sizes(board, bundle)
        uses = memory_use(board, bundle, sizes)
        check_fit(board, bundle, uses)
    except FitError as error:
        error.details = fit_details(board, bundle, uses)
        return _Fit(uses, sizes is not None, refusal=error)
    return _Fit(uses, sizes is not None, note)


def _document(made: "Conversion", board: Board, recipe: Recipe, fit: _Fit) -> dict[str, Any]:
    return {
        "schema": "edgesdk.convert",
        "version": 1,
        "name": made.bundle.meta.get("name"),
        "board": board.name,
        "bundle_digest": made.bundle.digest,
        "image_bytes": len(made.bundle.device_bytes()),
        "graphs": {role: asdict(graph) for role, graph in made.graphs.items()},
        "memory": memory_document(fit.uses),
        "firmware_counted": fit.counted,
        "peak": peak_of(made.bundle),
        "npu": made.bundle.meta.get("npu"),
        "recipe": asdict(recipe),
        "notes": [*made.notes, *([fit.note] if fit.note else [])],
    }


def _views(document: dict[str, Any], uses: tuple[MemoryUse, ...]) -> list[RenderableType]:
    views: list[RenderableType] = []
    if document["graphs"]:
        views += [_graph_table(document["graphs"]), ""]
        for role, graph in document["graphs"].items():
            views += [f"{role}: {choice}" for choice in graph["choices"]]
        views.append("")
    matrices = tensor_table(document["graphs"])
    if matrices is not None and (
        _compresses(document["recipe"]) or found_by_values(document["graphs"])
    ):
        views.append(matrices)
        if "net" not in document["graphs"]:  # of a given .tflite, the dense weights are unknown
            views.append("SQNR of a matrix: its products against dense float weights")
        views.append("")
    if document["npu"]:
        views += [*npu_views(document["npu"]), ""]
    views += [memory_table(uses), f"peak of the arena: {document['peak']}"]
    views.append("")
    views.append(f"recipe: {_choices(document['recipe'])}")
    views += [f"note: {note}" for note in document["notes"]]
    return views


def _sweep(
    term: Terminal,
    what: tuple[Path, Path | None, Recipe, Board],
    grid: str,
    spoken: tuple[list[Path], Path | None],
    out: Path,
) -> None:
    """Sweep over sparsity and bits; write sweep.json and sweep.svg."""
    source, calibration, recipe, board = what
    try:
        from edgesdk.cli import conversion, sweep
    except ImportError as error:
        raise ConvertError(
            f"{error.name} is not installed; install it with: pip install 'edgesdk[convert,report]'"
        ) from error
    folder = conversion.find_calibration(source, calibration)
    pairs, clips = sweep.read_grid(grid), sweep.find_spoken(*spoken)
    points, left_out = sweep.folder_sweep(source, folder, recipe, board, pairs, clips, term.live)
    document = sweep.sweep_document(points, left_out)
    files = {
        "sweep.json": (json.dumps(document, indent=2) + "\n").encode(),
        "sweep.svg": sweep.sweep_plot(points).encode(),
    }
    write_folder(out, files, {"recipe": asdict(recipe)})
    words = f"word errors on {points[0].words} words; " if points[0].words else ""
    notes = [f"{words}SQNR of the worst output against dense float; functional, no timing"]
    notes += [left_out] if left_out else []
    term.result(document, sweep.sweep_table(points), *notes, f"wrote {out}: {', '.join(files)}")


def _compresses(recipe: dict[str, Any]) -> bool:
    return any(recipe["compress"][name] for name in ("sparsity", "palette", "masks", "layers"))


def _choices(recipe: dict[str, Any]) -> str:
    """The recipe on one line; compression only where some is asked for."""
    compress = recipe["compress"]
    shown = {name: value for name, value in recipe.items() if type(value) is not dict}
    if recipe["attention"] != asdict(AttentionRecipe()):
        shown |= {f"attention {name}": value for name, value in recipe["attention"].items()}
    if recipe["search"]["beam"] > 1:
        shown |= recipe["search"]
    if recipe["endpoint"]["kind"] != "none":
        chosen = recipe["endpoint"].items()
        shown |= {f"endpoint.{name}": value for name, value in chosen if value != ""}
    if _compresses(recipe):
        shown |= compress
    return ", ".join(f"{name} {value or 'default'}" for name, value in shown.items())


def _facts(made: "Conversion", document: dict[str, Any]) -> dict[str, Any]:
    about = made.bundle.meta
    return {
        "name": document["name"],
        "board": document["board"],
        "bundle_digest": document["bundle_digest"],
        "tools": about.get("created_by", {}),
        "sources": about.get("sources", {}),
        "recipe": document["recipe"],
        **({"npu": document["npu"]} if document["npu"] else {}),
    }


def command(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(help="Folder of encoder, decoder and joiner .onnx; or one .tflite."),
    ] = None,
    board: OptionalBoardOption = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write; an earlier result is replaced.")
    ] = Path("bundle"),
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", help="Folder of clips; default: calibration/ at the source."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="TOML of choices; see --print-config.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the recipe in force and stop.")
    ] = False,
    phrases: Annotated[
        list[str] | None,
        typer.Option(
            "--phrases", metavar="[NAME=]PHRASES", help="A file of phrases to ship as bias tables."
        ),
    ] = None,
    by: ByOption = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="SPARSITIES:PALETTES",
            help="Compress in many ways, such as 0,0.5,0.75:0,16; write table, JSON and plot.",
        ),
    ] = None,
    clips: Annotated[
        list[Path] | None,
        typer.Option("--clips", help="With --sweep: clips or folders to count word errors on."),
    ] = None,
    expect: ExpectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a model for a board; exit 1 where it does not fit."""
    term = terminal(context, as_json)
    chosen = load_recipe(recipe) if recipe else Recipe()
    if print_config:
        document = {"schema": "edgesdk.recipe", "version": 1, "recipe": asdict(chosen)}
        term.result(document, recipe_toml(chosen).rstrip())
        return
    if source is None or board is None:
        raise EdgeError("a source and --board are needed; see edgesdk convert --help")
    target = load_board(board)
    check_replaceable(out)
    if sweep is not None and phrases:
        raise EdgeError("--phrases does not go with --sweep; leave one of them out")
    if sweep is not None:
        _sweep(term, (source, calibration, chosen, target), sweep, (clips or [], expect), out)
        return
    if clips or expect:
        raise EdgeError("--clips and --expect belong to --sweep; add it, or use edgesdk emulate")
    made = _with_phrases(_convert(term, source, calibration, chosen, target), phrases, by)
    fit = _fit(term, target, made.bundle)
    document = _document(made, target, chosen, fit)
    views = _views(document, fit.uses)
    if fit.refusal is not None:
        if not as_json:
            term.result(document, *views)
        raise fit.refusal
    files = {f"{role}.tflite": made.bundle.tflite(role) for role in made.bundle.tflite_roles}
    files |= {f"{role}_vela.tflite": compiled.tflite for role, compiled in made.npu.items()}
    files[BUNDLE_FILE] = made.bundle.to_bytes()
    write_folder(out, files, _facts(made, document))
    document["files"] = [str(out / name) for name in files]
    term.result(document, *views, "", f"wrote {out}: {', '.join(files)}")
