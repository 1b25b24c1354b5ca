"""`edgesdk rescore`: a second pass over the lattices that `emulate` or `run` wrote."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from edgesdk.cli.options import ExpectOption, JsonOption, terminal
from edgesdk.clips import read_expected
from edgesdk.errors import EdgeError
from edgesdk.report.wer import WordErrors
from edgesdk.rescore import (
    HeardClip,
    Rescored,
    SecondPass,
    Weights,
    load_arpa,
    load_scorer,
    read_results,
    rescore,
)


def _read(results: Path) -> Any:
    try:
        return json.loads(results.read_text(encoding="utf-8"))
    except OSError as error:
        raise EdgeError(f"{results}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise EdgeError(
            f"{results}: is no JSON ({error}); give what emulate or run wrote with --json"
        ) from error


def _write(path: Path, document: Any) -> None:
    """Write the whole document or, where it fails, nothing."""
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EdgeError(f"{path}: cannot be written ({error.strerror}); choose another") from error


def _second_pass(
    arpa: Path | None, scorer: str | None, weights: Weights, nbest: int, unknown: float
) -> SecondPass:
    if arpa is not None and scorer is not None:
        raise EdgeError("--arpa and --scorer exclude each other; give one language model")
    numbers = {
        "--bias-weight": weights.bias,
        "--lm-weight": weights.lm,
        "--word-penalty": weights.word,
        "--unknown": unknown,
    }
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise EdgeError(f"{name} {value}: is not finite; give a number")
    if arpa is not None:
        return SecondPass(weights, nbest, model=load_arpa(arpa, unknown), name=str(arpa))
    if scorer is not None:
        return SecondPass(weights, nbest, scorer=load_scorer(scorer), name=scorer)
    return SecondPass(weights, nbest)


def _with_texts(clips: list[HeardClip], expect: Path | None) -> list[HeardClip]:
    if expect is None:
        return clips
    texts = read_expected(expect, [Path(clip.name) for clip in clips])
    return [dataclasses.replace(clip, reference=texts[Path(clip.name).name]) for clip in clips]


def _rate(errors: WordErrors) -> str:
    return f"{errors.rate_pct:.1f} % ({errors.total})"


def _views(clips: list[HeardClip], rescored: Rescored) -> list[RenderableType]:
    """A table of clips with both texts, and the word error rates where they are known."""
    errors = rescored.errors
    table = Table("clip", "heard", "rescored", box=None, pad_edge=False)
    if errors is not None:
        table.add_column("expected")
    for clip, made in zip(clips, rescored.document["clips"], strict=True):
        heard, text = clip.text, made["text"]
        row = [clip.name, heard or "(nothing)", "" if text == heard else text or "(nothing)"]
        if errors is not None:
            row.append("" if clip.reference == text else clip.reference or "(nothing)")
        table.add_row(*row)
    if errors is None:
        return [table]
    return [
        table,
        "",
        f"word error rate before {_rate(errors.before)}, after {_rate(errors.after)}, best in "
        f"the lattice {_rate(errors.oracle)}, of {errors.after.words} words",
    ]


def command(
    context: typer.Context,
    results: Annotated[Path, typer.Argument(help="What emulate or run wrote with --json.")],
    arpa: Annotated[
        Path | None, typer.Option("--arpa", help="N-gram model, .arpa or .gz: over the lattice.")
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            "--scorer", help="module:function, natural logs of a list of word lists: over n-best."
        ),
    ] = None,
    lm_weight: Annotated[float, typer.Option("--lm-weight", help="Of the language model.")] = 0.5,
    bias_weight: Annotated[
        float, typer.Option("--bias-weight", help="Of what biasing added; 0 takes it out.")
    ] = 1.0,
    word_penalty: Annotated[
        float, typer.Option("--word-penalty", help="Added per word; negative: fewer words.")
    ] = 0.0,
    nbest: Annotated[
        int, typer.Option("--nbest", help="Hypotheses to write, and to score.", min=1, max=1000)
    ] = 16,
    unknown: Annotated[
        float,
        typer.Option("--unknown", help="Natural log of a word outside a model without <unk>."),
    ] = -20.0,
    expect: ExpectOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write the JSON result to.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Re-rank lattices with a language model, and with more or less of the biasing."""
    term = terminal(context, as_json)
    document = _read(results)
    clips = _with_texts(read_results(document, str(results)), expect)
    weights = Weights(bias=bias_weight, lm=lm_weight, word=word_penalty)
    second = _second_pass(arpa, scorer, weights, nbest, unknown)
    with term.progress(f"rescoring {len(clips)} clips"):
        made = rescore(document, clips, second)
    views = _views(clips, made)
    if out is not None:
        _write(out, made.document)
        views += ["", f"wrote {out}"]
    term.result(made.document, *views)
