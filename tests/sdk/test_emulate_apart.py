"""A .tflite file that ends the interpreter ends no more than that."""

import faulthandler
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from edgesdk.cli import main
from edgesdk.emulate import apart, run_graph, run_tflite_apart
from edgesdk.errors import BundleError

pytest.importorskip("tflite_runtime")
pytest.importorskip("tflite")

from single_op import Net

VALUES = np.arange(-8, 8, dtype=np.int8).reshape(1, 16)


def _sum_of_two() -> bytes:
    """A graph of one operator: x + constant."""
    net = Net()
    x = net.input((1, 16), scale=0.1)
    y = net.tensor("y", (1, 16), scale=0.2)
    net.op("ADD", [x, net.constant(VALUES, 0.1)], [y], "AddOptions")
    return net.file(y)


def test_file_in_order_gives_what_it_gives_here() -> None:
    model = _sum_of_two()
    here, there = run_graph(model, [VALUES]), run_tflite_apart(model, [VALUES], "a.tflite")
    assert there.document() == here.document()
    with pytest.raises(BundleError, match=r"a\.tflite: 2 inputs given, it takes 1"):
        run_tflite_apart(model, [VALUES, VALUES], "a.tflite")


def test_signal_in_the_interpreter_is_one_line_and_exit_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        faulthandler.disable()
        os.write(2, b"what native code prints\n")
        os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(apart, "run_graph", crash)
    path, values = tmp_path / "bad.tflite", tmp_path / "in.npy"
    path.write_bytes(_sum_of_two())
    np.save(values, VALUES)
    assert main.main(["emulate", str(path), str(values)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "bad.tflite: the interpreter stopped on it (SIGSEGV): damaged" in err


def test_nonsense_that_python_meets_is_damage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(apart, "run_graph", fail)
    with pytest.raises(BundleError, match=r"\(MemoryError\): damaged"):
        run_tflite_apart(b"", [], "a.tflite")


def test_cut_file_is_refused_with_a_next_step_and_without_internals() -> None:
    model = _sum_of_two()
    for length in range(0, len(model), 37):
        with pytest.raises(BundleError) as caught:
            run_tflite_apart(model[:length], [VALUES], "cut.tflite")
        said = str(caught.value)
        assert said.startswith("cut.tflite: ")
        assert "convert the model again" in said
        assert not any(word in said for word in ("unpack", ".cc:", "struct"))


def test_single_graph_takes_no_clips(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, clip = tmp_path / "a.tflite", tmp_path / "a.wav"
    path.write_bytes(_sum_of_two())
    clip.write_bytes(b"RIFF")
    assert main.main(["emulate", str(path), str(clip)]) == 2
    assert "holds a single graph, which takes one .npy file per input" in capfd.readouterr().err
