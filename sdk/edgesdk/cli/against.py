"""`edgesdk emulate --against cpu`: a bundle for an NPU beside the CPU's kernels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.bundle import Bundle
from edgesdk.cli.terminal import Terminal
from edgesdk.emulate import Clip, Transcript, emulate
from edgesdk.emulate.against import Tally, tally_arrays, tally_clips
from edgesdk.emulate.recognise import Engine, engine_kind
from edgesdk.errors import EdgeError

ENGINES: tuple[Engine, Engine] = ("core", "tflite")


def against_cpu(
    term: Terminal, bundle: Bundle, clips: Sequence[Clip], tables: Sequence[bytes]
) -> None:
    """Clips through both: transcripts, logits, and graph by graph; exit 1 where a text differs."""
    _check(bundle)
    with term.progress("clips on the emulated NPU and on the CPU's kernels"):
        npu = emulate(bundle, clips, engine="core", keep_logits=True, tables=tables)
        cpu = emulate(bundle, clips, engine="tflite", keep_logits=True, tables=tables)
        tallies = tally_clips(bundle, clips, tables)
    pairs = list(zip(npu.transcripts, cpu.transcripts, strict=True))
    heard = [_clip(ours, theirs) for ours, theirs in pairs]
    same = sum(it["same_text"] for it in heard)
    equal = sum(it["logits_differing"] == 0 for it in heard)
    document = _document(npu.engine, cpu.engine, _graphs(term, bundle, tallies))
    document |= {"clips": heard, "same_transcripts": same == len(heard)}
    term.result(
        document,
        *_views(document),
        f"transcripts: the same in {same} of {len(heard)} clips; all logits equal in {equal}",
        *(
            f"{it['clip']}: NPU '{it['npu']}', CPU '{it['cpu']}'"
            for it in heard
            if not it["same_text"]
        ),
    )
    if same < len(heard):
        raise typer.Exit(1)


def arrays_against_cpu(term: Terminal, bundle: Bundle, arrays: Sequence[Any]) -> None:
    """A single graph on arrays through both."""
    _check(bundle)
    tallies = tally_arrays(bundle, arrays, bundle.source)
    npu, cpu = (engine_kind(bundle, engine)[0] for engine in ENGINES)
    document = _document(npu, cpu, _graphs(term, bundle, tallies))
    term.result(document, *_views(document))


def _check(bundle: Bundle) -> None:
    if bundle.npu_config is None:
        raise EdgeError(
            f"{bundle.source}: has nothing for an NPU, so there is nothing to compare; convert the "
            "model for a board with one"
        )
    if "npu" not in bundle.meta:
        raise EdgeError(
            f"{bundle.source}: was made from a file of Vela's, which no CPU runs; convert the "
            "graph as it was before Vela"
        )


def _clip(npu: Transcript, cpu: Transcript) -> dict[str, Any]:
    ours, theirs = b"".join(npu.logits or ()), b"".join(cpu.logits or ())
    differing = sum(a != b for a, b in zip(ours, theirs, strict=False))
    return {
        "clip": npu.clip,
        "npu": npu.text,
        "cpu": cpu.text,
        "same_text": npu.text == cpu.text,
        "logits": len(ours),
        "logits_differing": differing + abs(len(ours) - len(theirs)),
    }


def _graphs(term: Terminal, bundle: Bundle, tallies: Mapping[str, Tally]) -> list[dict[str, Any]]:
    rows = []
    for role, tally in tallies.items():
        rows.append(
            {
                "graph": role,
                "steps": tally.steps,
                "values": tally.values,
                "differing": tally.differing,
                "largest": tally.largest,
                "parting": None,
                "not_named": None,
            }
        )
        if tally.first is not None:
            with term.progress(f"looking for the operator of {role} that parts"):
                rows[-1] |= _parting(bundle, role, tally)
    return rows


def _parting(bundle: Bundle, role: str, tally: Tally) -> dict[str, Any]:
    """The operator, or why it cannot be named."""
    try:
        from edgesdk.cli.npu_graphs import name_parting
    except ImportError as error:
        return {"not_named": f"{error.name} is not installed; see edgesdk[convert]"}
    npu, steps = bundle.meta.get("npu"), tally.first or []
    if not npu:
        return {"not_named": "the bundle does not say how it was compiled"}
    try:
        found = name_parting(bundle.tflite(role), npu, steps, f"{bundle.source}: {role}")
    except EdgeError as error:
        return {"not_named": str(error)}
    if found is None:
        return {"not_named": "no operator parts where every operator's result is given out"}
    return {"parting": asdict(found)}


def _document(npu: str, cpu: str, graphs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": "edgesdk.npu-cpu", "version": 1, "npu": npu, "cpu": cpu, "graphs": graphs}


def _views(document: dict[str, Any]) -> list[RenderableType]:
    table = Table("graph", box=None, pad_edge=False)
    for column in ("steps", "values", "differ", "by at most"):
        table.add_column(column, justify="right")
    table.add_column("first operator that parts")
    for row in document["graphs"]:
        found = row["parting"]
        name = (
            f"{found['operator']} (tensor {found['tensor']})" if found else row["not_named"] or ""
        )
        counts = (row[key] for key in ("steps", "values", "differing", "largest"))
        table.add_row(row["graph"], *(f"{count:,}" for count in counts), name)
    return [f"{document['npu']} against {document['cpu']}, on the same inputs", table]
