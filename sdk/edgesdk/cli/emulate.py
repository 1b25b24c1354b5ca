"""`edgesdk emulate`: a bundle on this computer, in the same words as on a device."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy.typing as npt
import typer

from edgesdk.bundle import Bundle, load_bundle
from edgesdk.cli.against import against_cpu, arrays_against_cpu
from edgesdk.cli.bias_tables import compile_tables
from edgesdk.cli.endpoint_choice import EndpointChoice, EndpointOption, endpoint_mode
from edgesdk.cli.graph_outputs import show_graph
from edgesdk.cli.options import (
    BiasOption,
    By,
    ByOption,
    ExpectOption,
    JsonOption,
    LogitsOption,
    terminal,
)
from edgesdk.cli.terminal import Terminal
from edgesdk.cli.transcripts import Live, transcripts_document, transcripts_views
from edgesdk.clips import find_clips, read_expected
from edgesdk.emulate import (
    emulate,
    load_array,
    load_clips,
    run_graph,
    run_tflite_apart,
)
from edgesdk.emulate.flatbuffer import custom_operators
from edgesdk.errors import EdgeError

_ETHOSU = "ethos-u"


class Engine(StrEnum):
    """What computes the graphs."""

    TFLITE = "tflite"
    CORE = "core"


class Against(StrEnum):
    """What to compare an NPU with."""

    CPU = "cpu"


def _emulate_clips(
    term: Terminal,
    bundle: Bundle,
    inputs: list[Path],
    engine: Engine | None,
    against: Against | None,
    expect: Path | None,
    logits: bool,
    bias: list[str] | None,
    by: By | None,
    endpoint: EndpointChoice | None,
) -> None:
    compiled = compile_tables(term, bias, bundle, by=by)
    tables = [table.data for table in compiled.tables] if compiled else []
    paths = find_clips(inputs)
    references = read_expected(expect, paths) if expect else None
    clips = load_clips(paths, bundle.features.sample_rate_hz, references)
    if against is not None:
        against_cpu(term, bundle, clips, tables)
        return
    with Live(term) as live:
        done = emulate(
            bundle,
            clips,
            engine=None if engine is None else engine.value,
            keep_logits=logits,
            on_partial=live.show,
            tables=tables,
            endpoint=endpoint_mode(endpoint, bundle),
        )
    source = {
        "kind": "laptop",
        "engine": done.engine,
        "caveat": done.caveat,
        "bundle_digest": bundle.digest,
    }
    views = transcripts_views(done.transcripts)
    if done.caveat:
        views.append(f"{done.engine}: {done.caveat}")
    term.result(transcripts_document(source, done.transcripts), *views)


def _emulate_tflite(
    term: Terminal, model: Path, inputs: list[Path], engine: Engine | None, against: Against | None
) -> None:
    """A .tflite of one graph; one that Vela compiled runs with an emulated NPU."""
    try:
        data = model.read_bytes()
    except OSError as error:
        raise EdgeError(f"{model}: cannot be read ({error.strerror}); check the path") from error
    if against is not None:
        raise EdgeError(f"{model}: --against needs a bundle; convert the graph before Vela")
    if _ETHOSU not in custom_operators(data, str(model)):
        if engine is Engine.CORE:
            raise EdgeError(f"{model}: the C kernels run bundles; convert the .tflite first")
        show_graph(term, run_tflite_apart(data, _arrays(model, inputs), str(model)))
        return
    if engine is Engine.TFLITE:
        raise EdgeError(
            f"{model}: is made for an Ethos-U, which TFLite has not; leave --engine out"
        )
    try:
        from edgesdk.cli.npu_graphs import run_compiled
    except ImportError as error:
        raise EdgeError(
            f"{error.name} is not installed; install it with: pip install 'edgesdk[convert]'"
        ) from error
    done = run_tflite_apart(data, _arrays(model, inputs), str(model), run_compiled)
    show_graph(term, done)


def _arrays(model: Path, inputs: list[Path]) -> list[npt.NDArray[Any]]:
    """The inputs of a single graph."""
    for path in inputs:
        if path.is_dir() or path.suffix.lower() == ".wav":
            raise EdgeError(
                f"{model}: holds a single graph, which takes one .npy file per input; "
                f"{path} is none"
            )
    return [load_array(path) for path in inputs]


def command(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A .edge bundle, or a .tflite of one graph.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(help="Clips or folders of them; .npy inputs where it is one graph."),
    ] = None,
    given: Annotated[
        list[Path] | None,
        typer.Option("--input", help="A .npy file per input of a single graph, as in edgesdk run."),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(
            "--engine",
            help="TFLite's reference kernels, or the C core's (default where an NPU is meant).",
        ),
    ] = None,
    against: Annotated[
        Against | None,
        typer.Option("--against", help="Compare an emulated NPU with the CPU's kernels."),
    ] = None,
    expect: ExpectOption = None,
    logits: LogitsOption = False,
    bias: BiasOption = None,
    by: ByOption = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a bundle on this computer, on clips or, for a single graph, on arrays."""
    term = terminal(context, as_json)
    files = [*(inputs or []), *(given or [])]
    if not files:
        raise EdgeError(f"{model}: nothing to run it on; give clips, or .npy inputs of a graph")
    if model.suffix == ".tflite":
        _emulate_tflite(term, model, files, engine, against)
        return
    bundle = load_bundle(model)
    if against is not None and engine is not None:
        raise EdgeError("--against runs both engines; leave --engine out")
    if bundle.is_recogniser:
        _emulate_clips(term, bundle, files, engine, against, expect, logits, bias, by, endpoint)
        return
    arrays = _arrays(model, files)
    if against is not None:
        arrays_against_cpu(term, bundle, arrays)
        return
    show_graph(
        term,
        run_graph(
            bundle, arrays, engine=None if engine is None else engine.value, source=str(model)
        ),
    )
