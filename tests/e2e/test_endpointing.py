"""End-pointing of the shipped recogniser: spoken words with pauses between them, on every board."""

import dataclasses
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from edgesdk.audio import read_wav
from edgesdk.bundle import load_bundle, save_bundle
from edgesdk.recipe import EndpointRecipe
from edgesdk.report.trade_off import TradePoint, read_trade_off, trade_off_document
from edgesdk_converters.pipeline import chosen_endpoint, chosen_scorer

RATE = 16000
BOARDS = [
    pytest.param("host", marks=pytest.mark.needs_cc),
    pytest.param("qemu-mps2-an386", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
    pytest.param("qemu-mps3-an547", marks=[pytest.mark.needs_gcc, pytest.mark.needs_qemu]),
]
STREAMS = {  # clips and pauses between them, in seconds
    "near.wav": ["02_stop", 0.25, "06_go_left", 2.0],
    "far.wav": ["00_yes", 1.6, "01_no", 0.5, "07_right_up", 2.5],
    "open.wav": ["00_yes", 1.2, "01_no", 0.0],  # nothing tells that the last word ended
    "silent.wav": [3.0],
}
WORDS = {
    "near.wav": "stop go left",
    "far.wav": "yes no right up",
    "open.wav": "yes no",
    "silent.wav": "",
}


def _stream(parts: list[str | float], clips: Path) -> np.ndarray:
    pieces = [
        read_wav(clips / f"{it}.wav", RATE)
        if isinstance(it, str)
        else np.zeros(int(it * RATE), np.int16)
        for it in parts
    ]
    return np.concatenate(pieces)


@pytest.fixture
def streams(tmp_path: Path, model: Path) -> Path:
    """Folder of the streams; their table says when the last word's clip ends."""
    folder = tmp_path / "streams"
    folder.mkdir()
    lines = ["file\ttext\tend"]
    for name, parts in STREAMS.items():
        samples = _stream(parts, model / "clips")
        with wave.open(str(folder / name), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.tobytes())
        end = len(samples) / RATE - float(parts[-1])
        lines.append(f"{name}\t{WORDS[name]}\t{end if WORDS[name] else ''}")
    (folder / "clips.tsv").write_text("\n".join(lines) + "\n")
    return folder


def _kinds(clip: dict[str, Any]) -> list[str]:
    return [it["kind"] for it in clip["endpoints"]]


@pytest.mark.parametrize("board", BOARDS)
def test_end_points_on_every_board(
    board: str,
    edgesdk: CommandLine,
    convert: Callable[[str], Path],
    streams: Path,
    tmp_path: Path,
) -> None:
    greedy, made = load_bundle(convert(board)), tmp_path / "beam.edge"
    sizes = {"cache": 8, "max_tokens": 256, "nbest": 4, "max_arcs": 64}
    search = dataclasses.replace(greedy.search, beam=4, prune=12.0, **sizes)
    recipe = EndpointRecipe(kind="scored")
    settings = chosen_endpoint(recipe, chosen_scorer(recipe))
    assert settings is not None
    save_bundle(greedy.with_sections(SRCH=search.encode(), ENDP=settings.encode()), made)
    curve = tmp_path / "endpoint.json"
    curve.write_text(json.dumps(trade_off_document({"score": (TradePoint(1.0, 500.0, 3.0),)})))
    edgesdk.ok("flash", made, "--board", board)
    expect = ("--expect", streams / "clips.tsv", "--endpoint")
    heard = {}
    for mode in ("watch", "stop", "segment"):
        report = ("--report", tmp_path / mode, "--endpoint-curve", curve)
        ran = edgesdk.ok("run", streams, "--board", board, *expect, mode, *report, "--json")
        assert ran.document["device_equals_laptop"] is True
        heard[mode] = {clip["clip"]: clip for clip in ran.document["clips"]}
        laptop = edgesdk.ok("emulate", made, streams, *expect, mode, "--json").document["clips"]
        assert list(heard[mode].values()) == laptop
        written = json.loads((tmp_path / mode / "report.json").read_text())
        assert written["endpoint_curves"]["score"][0]["median_ms"] == 500
        told = {clip["clip"]: clip["endpoints"] for clip in written["clips"]}
        finals = [it["final_s"] for it in told["far.wav"] if it["final_s"] is not None]
        points = heard[mode]["far.wav"]["endpoints"]
        assert finals == [it["time"] for it in points if it["kind"] == "final"]
        stages = {stage["stage"]: stage["cost"] for stage in written["stages"]}
        assert board == "host" or 0 < stages["endpoint"] < stages["encoder"] / 20
    _check_watched(heard["watch"])
    assert _kinds(heard["watch"]["silent.wav"]) == ["final"]
    assert heard["stop"]["far.wav"]["text"] == "yes"
    assert heard["stop"]["near.wav"]["text"] == "stop go left"
    _check_segments(heard["segment"]["far.wav"])
    left = heard["segment"]["open.wav"]
    assert [it["text"] for it in left["endpoints"] if it["kind"] == "final"] == ["yes"]
    assert left["rest"]["nbest"][0]["text"] == "no"
    assert "no" in {edge["word"] for edge in left["rest"]["lattice"]["edges"]}
    assert "rest" not in heard["watch"]["open.wav"]


def _check_watched(clips: dict[str, Any]) -> None:
    """Provisional results come first, and stand at least once."""
    for name in ("near.wav", "far.wav"):
        clip = clips[name]
        assert clip["text"] == WORDS[name]
        kinds = _kinds(clip)
        assert kinds.index("speculative") < kinds.index("final")
        early, final = (clip["endpoints"][kinds.index(it)] for it in ("speculative", "final"))
        assert early["time"] < final["time"]
    stood = [
        one["version"] == other["version"] and one["text"] == other["text"]
        for clip in clips.values()
        for one, other in zip(clip["endpoints"], clip["endpoints"][1:], strict=False)
        if (one["kind"], other["kind"]) == ("speculative", "final")
    ]
    assert any(stood)


def _check_segments(clip: dict[str, Any]) -> None:
    """Each final one has its own text, n-best list and lattice; the search begins anew."""
    finals = [it for it in clip["endpoints"] if it["kind"] == "final" and it["text"]]
    assert finals[0]["text"] == "yes"
    assert len(finals) >= 2
    assert [it["utterance"] for it in finals] == sorted({it["utterance"] for it in finals})
    for final in finals:
        assert final["nbest"][0]["text"] == final["text"]
        assert final["lattice"]["edges"]
    rest = clip["rest"]["nbest"][0]["text"]
    assert " ".join([*(it["text"] for it in finals), *([rest] if rest else [])]) == clip["text"]


@pytest.mark.needs_cc
def test_words_say_what_was_decided(
    edgesdk: CommandLine, convert: Callable[[str], Path], streams: Path, tmp_path: Path
) -> None:
    settings = chosen_endpoint(EndpointRecipe(kind="rules", pause=0.8), None)
    assert settings is not None
    made = tmp_path / "rules.edge"
    save_bundle(load_bundle(convert("host")).with_sections(ENDP=settings.encode()), made)
    shown = edgesdk.ok("emulate", made, streams / "near.wav")
    assert "end points, s" in shown.out
    assert "confirmed" in shown.out
    described = edgesdk.ok("inspect", made)
    assert "600 ms of silence after a word" in described.out.replace("\n", " ")
    plain = edgesdk("emulate", convert("host"), streams, "--endpoint", "stop")
    assert plain.code == 2
    assert "has no settings for end points" in plain.error_line()
    lonely = edgesdk("run", streams, "--board", "host", "--endpoint-curve", tmp_path / "x.json")
    assert lonely.code == 2
    assert "--report" in lonely.error_line()


@pytest.mark.needs_cc
@pytest.mark.needs_shared
def test_a_graph_is_trained_converted_and_measured(
    edgesdk: CommandLine,
    shared: Path,
    model: Path,
    convert: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(str(model))
    from endpoint import evaluate, train

    data, score = shared / "data" / "speech", tmp_path / "score.json"
    train(load_bundle(convert("host")), data, 24, score, graph=True)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'schema = 1\n[endpoint]\nkind = "scored"\nscorer = "{score}"\n')
    edgesdk.ok(
        *("convert", model / "onnx", "--calibration", model / "calibration"),
        *("--board", "host", "--recipe", recipe, "-o", tmp_path / "out"),
    )
    bundle = load_bundle(tmp_path / "out" / "model.edge")
    assert bundle.endpoint_plan is not None
    evaluate(bundle, data, 16, tmp_path / "found")
    assert "16 streams" in capsys.readouterr().out
    curves = read_trade_off(tmp_path / "found" / "endpoint.json")
    assert set(curves) == {"trained score", "silence alone"}
    found = json.loads((tmp_path / "found" / "endpoint.json").read_text())["summary"]
    gap_ms = found["final"]["median_ms"] - found["early"]["median_ms"]
    assert 80 < gap_ms < 400
    assert found["final_cut_off_pct"] < 20
    assert found["stood_pct"] > 50
