"""`edgesdk run`: clips or arrays through a device, costs where the laptop agrees."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgesdk.biasing.compile import Compiled
from edgesdk.bundle import Bundle
from edgesdk.cli.bias_tables import compile_tables, load_only, unlike_bundle
from edgesdk.cli.endpoint_choice import EndpointOption, endpoint_mode
from edgesdk.cli.graph_outputs import graph_document, graph_views
from edgesdk.cli.options import (
    BiasOption,
    BundleOption,
    ByOption,
    ExpectOption,
    JsonOption,
    LogitsOption,
    OptionalBoardOption,
    PortOption,
    TimeoutOption,
    terminal,
)
from edgesdk.cli.run_manifest import make_choices, make_manifest
from edgesdk.cli.target import find_target, open_target
from edgesdk.cli.terminal import Terminal
from edgesdk.cli.transcripts import Live, transcripts_document, transcripts_views
from edgesdk.clips import find_clips, read_ends, read_expected
from edgesdk.core import EndpointMode
from edgesdk.elf import Sizes
from edgesdk.emulate import Clip, GraphRun, Transcript, load_array, load_clips
from edgesdk.errors import EdgeError
from edgesdk.fit import memory_use
from edgesdk.flash.kept import stale_note
from edgesdk.flash.store import manifest_of
from edgesdk.link.device import Device
from edgesdk.programs import program_version
from edgesdk.report.make import COST_UNITS, DeviceClip, RunFacts, make_report
from edgesdk.report.manifest import check_run_folder
from edgesdk.report.records import Report
from edgesdk.report.table import report_views
from edgesdk.report.trace import trace_document
from edgesdk.report.trade_off import Curves, read_trade_off
from edgesdk.report.write import as_json, require_page_tools, write_files, write_report
from edgesdk.session import (
    Heard,
    emulate_arrays,
    emulate_clips,
    lacking_interpreter,
    run_arrays,
    run_clip,
)

DEFAULT_RATE = 16000  # of a device whose bundle is not at hand


def _run_clips(
    term: Terminal,
    device: Device,
    clips: Sequence[Clip],
    rate: int,
    endpoint: EndpointMode,
    *,
    profile: bool,
) -> list[Heard]:
    with Live(term) as live:
        return [
            run_clip(device, clip, rate, live.show, profile=profile, endpoint=endpoint)
            for clip in clips
        ]


def _device_clips(
    clips: Sequence[Clip],
    rate: int,
    heard: Sequence[Heard],
    laptop: Sequence[Transcript | None],
    ends: Mapping[str, float],
) -> list[DeviceClip]:
    return [
        DeviceClip(
            clip=clip.name,
            audio_s=len(clip.samples) / rate,
            heard=done.transcript,
            metrics=done.metrics,
            operators=done.operators,
            laptop=oracle,
            end_s=ends.get(clip.name),
        )
        for clip, done, oracle in zip(clips, heard, laptop, strict=True)
    ]


def _flashed(device: Device) -> dict[str, Any]:
    """What flash wrote down about the firmware that runs; empty where it came otherwise."""
    return manifest_of(device.identity.firmware_id)


def _facts(device: Device, bundle: Bundle | None) -> RunFacts:
    manifest = _flashed(device)
    tools = {}
    if "compiler" in manifest:
        # Warnings and definitions say nothing about speed.
        flags = [flag for flag in manifest["flags"] if not flag.startswith(("-W", "-D"))]
        tools["compiler"] = f"{manifest['compiler']} {' '.join(flags)}"
    emulator = device.board.emulator
    if emulator is not None and emulator.kind == "qemu":
        tools["emulator"] = program_version(device.board.toolchain.emulator) or "unknown"
    sizes = Sizes(**manifest["sizes"]) if "sizes" in manifest else None
    return RunFacts(
        board=device.board,
        bundle=bundle,
        clock=device.identity.clock,
        firmware_bytes=None if sizes is None else sizes.text + sizes.data,
        tools={**tools, "firmware": device.identity.firmware_id, "link": device.channel.where},
        memory=() if bundle is None else memory_use(device.board, bundle, sizes),
        bias=device.bias.stored,
    )


def _document(
    device: Device, heard: Sequence[Heard], report: Report, *, logits: bool
) -> dict[str, Any]:
    identity = device.identity
    source = {
        "kind": "device",
        "board": identity.board,
        "firmware_id": identity.firmware_id,
        "bundle_digest": identity.bundle_digest,
    }
    shown = [
        done.transcript if logits else dataclasses.replace(done.transcript, logits=None)
        for done in heard
    ]
    document = transcripts_document(source, shown)
    document["device_equals_laptop"] = report.correct
    document["records"] = [dataclasses.asdict(record) for record in report.records]
    return document


def _lacking_judge(bundle: Bundle | None) -> str | None:
    """Why the device cannot be compared; None where it can."""
    if bundle is None:
        return "the bundle of a device behind a port is not known; name its file with --bundle"
    return lacking_interpreter(bundle)


def _laptop(
    term: Terminal,
    bundle: Bundle | None,
    clips: Sequence[Clip],
    lacking: str | None,
    compiled: Compiled | None,
    endpoint: EndpointMode,
) -> tuple[Sequence[Transcript | None], str]:
    """What the laptop made of the clips, and what computed it; or why nothing did."""
    if bundle is None or lacking is not None:
        judge = f"not compared with an independent interpreter: {lacking}"
        term.note(judge)
        return [None] * len(clips), judge
    with term.progress("the same clips on the laptop"):
        tables = [table.data for table in compiled.tables] if compiled else []
        emulation = emulate_clips(bundle, clips, tables, endpoint)
    return emulation.transcripts, emulation.engine


def _difference(device: GraphRun, laptop: GraphRun) -> str | None:
    """The first value that parts, in words."""
    steps = zip(device.outputs, laptop.outputs, strict=True)
    for step, (ours, theirs) in enumerate(steps):
        for index, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            different = np.flatnonzero(left.reshape(-1) != right.reshape(-1))
            if different.size:
                at = int(different[0])
                values = f"device {left.reshape(-1)[at]}, laptop {right.reshape(-1)[at]}"
                return f"step {step}, output {index} parts at element {at}: {values}"
    return None


def _cost_view(costs: Sequence[int], unit: str, *, npu: bool) -> str:
    most = f", {max(costs):,} at most" if len(costs) > 1 else ""
    most += "; the core's, the NPU's time left out" if npu else ""
    return f"{unit} per step: {sum(costs) // len(costs):,} on average{most}"


def _run_arrays(
    term: Terminal, device: Device, bundle: Bundle | None, inputs: Sequence[Path]
) -> None:
    """A single graph on arrays: its outputs, and its cost where the laptop agrees."""
    arrays = [load_array(path) for path in inputs]
    ran = run_arrays(device, arrays)
    identity = device.identity
    document = graph_document(ran.run) | {
        "board": identity.board,
        "firmware_id": identity.firmware_id,
        "bundle_digest": identity.bundle_digest,
        "device_equals_laptop": None,
    }
    views = graph_views(ran.run)
    lacking = _lacking_judge(bundle)
    document["not_compared"] = lacking
    if lacking is not None:
        views.append(f"not compared with an independent interpreter: {lacking}")
    elif bundle is not None:
        laptop = emulate_arrays(bundle, arrays)
        difference = _difference(ran.run, laptop)
        unit = COST_UNITS.get(identity.clock)
        document |= {"device_equals_laptop": difference is None, "laptop": laptop.engine}
        views.append(f"device == laptop ({laptop.engine}): {'NO' if difference else 'yes'}")
        if difference is not None:
            views.append(difference)
        elif unit is not None:
            document["costs"] = {"unit": unit, "steps": list(ran.costs)}
            views.append(_cost_view(ran.costs, unit, npu=bundle.npu_config is not None))
    term.result(document, *views)
    if document["device_equals_laptop"] is False:
        raise typer.Exit(1)


def _check_choice(
    clips: Sequence[Path], inputs: Sequence[Path], bundle: Bundle | None, only_clips: bool
) -> None:
    """Clips for a recogniser, or arrays for a single graph."""
    if bool(clips) == bool(inputs):
        raise EdgeError("give clips to a recogniser, or --input FILE.npy to a single graph")
    if inputs and only_clips:
        raise EdgeError(
            "--expect, --report, --trace, --logits, --bias and --endpoint go with clips; "
            "leave them out"
        )
    if bundle is not None and bundle.is_recogniser == bool(inputs):
        kind, wanted = ("a recogniser", "clips") if inputs else ("one graph", "--input FILE.npy")
        raise EdgeError(f"{bundle.source}: holds {kind}; give it {wanted}")


def _check_traceable(trace: Path | None, lacking: str | None, device: Device) -> None:
    """Refuse a trace that there will be no costs for, before the long work."""
    silent = None if device.identity.clock in COST_UNITS else "this device counts no cost"
    why = lacking or silent
    if trace is not None and why is not None:
        raise EdgeError(f"no costs to trace: {why}; run without --trace")


def _write_trace(term: Terminal, trace: Path, report: Report) -> list[Path]:
    """The trace, unless device and laptop part, which the result says already."""
    if report.correct is False:
        term.note(f"{trace}: not written, for there are no figures of cost")
        return []
    return write_files(trace.parent, {trace.name: as_json(trace_document(report))}, "trace")


def _curves(path: Path | None, report: Path | None) -> Curves:
    """The evaluation that a report is to show."""
    if path is None:
        return {}
    if report is None:
        raise EdgeError("--endpoint-curve is a plot of the report; give --report DIR too")
    return read_trade_off(path)


def command(
    context: typer.Context,
    clips: Annotated[
        list[Path] | None,
        typer.Argument(help="16 kHz mono 16-bit .wav files, or folders of them."),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--input", help="A .npy file per input of a single graph; steps stacked in front."
        ),
    ] = None,
    board: OptionalBoardOption = None,
    port: PortOption = None,
    bundle: BundleOption = None,
    expect: ExpectOption = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write report.json, report.html and manifest.json there."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Write costs as slices for chrome://tracing and Perfetto."),
    ] = None,
    endpoint_curve: Annotated[
        Path | None,
        typer.Option("--endpoint-curve", help="endpoint.json of an evaluation, for the report."),
    ] = None,
    logits: LogitsOption = False,
    bias: BiasOption = None,
    by: ByOption = None,
    endpoint: EndpointOption = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stream clips or arrays to a device; exit 1 where it differs from the laptop."""
    term = terminal(context, as_json)
    if report is not None:
        require_page_tools()
        check_run_folder(report)
    curves = _curves(endpoint_curve, report)
    target, loaded = find_target(board, port, bundle)
    term.note_if(stale_note(target))
    only_clips = any((expect, report, trace, logits, bias, endpoint))
    _check_choice(clips or [], inputs or [], loaded, only_clips)
    if inputs:
        with open_target(target, port, loaded, timeout) as device:
            _run_arrays(term, device, loaded, inputs)
        return
    rate = loaded.features.sample_rate_hz if loaded else DEFAULT_RATE
    paths = find_clips(clips or [])
    spoken = load_clips(paths, rate, read_expected(expect, paths) if expect else None)
    lacking = _lacking_judge(loaded)
    compiled = compile_tables(term, bias, loaded, by=by)
    mode = endpoint_mode(endpoint, loaded)
    ends = read_ends(expect) if expect else {}
    with open_target(target, port, loaded, timeout) as device:
        if compiled is not None:
            load_only(device, compiled)
        else:
            lacking = lacking or unlike_bundle(device, loaded)
        _check_traceable(trace, lacking, device)
        heard = _run_clips(term, device, spoken, rate, mode, profile=lacking is None)
        facts, flashed = _facts(device, loaded), _flashed(device)
    laptop, judge = _laptop(term, loaded, spoken, lacking, compiled, mode)
    facts = dataclasses.replace(facts, tools={**facts.tools, "laptop": judge})
    made = make_report(facts, _device_clips(spoken, rate, heard, laptop, ends))
    made = dataclasses.replace(made, endpoint_curves=curves)
    document = _document(device, heard, made, logits=logits)
    document["not_compared"] = lacking
    views = transcripts_views([done.transcript for done in heard])
    views += ["", *report_views(made), *([judge] if lacking else [])]
    if report is not None:
        choices = make_choices(mode, compiled)
        manifest = make_manifest(
            made, facts.board, device.identity, loaded, flashed, spoken, choices
        )
        written = write_report(made, report, manifest)
        document["report"] = [str(path) for path in written]
        views += ["", f"report: {', '.join(map(str, written))}"]
    if trace is not None:
        document["trace"] = [str(path) for path in _write_trace(term, trace, made)]
        views += [f"trace: {path}" for path in document["trace"]]
    term.result(document, *views)
    if made.correct is False:
        raise typer.Exit(1)
