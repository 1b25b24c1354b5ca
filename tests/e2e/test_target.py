"""Which device and which bundle a verb means, and what it says where it cannot compare."""

from pathlib import Path

import pytest
from command_line import CommandLine
from edgesdk.bundle import save_bundle
from small_bundle import recogniser_bundle, single_bundle

pytestmark = pytest.mark.needs_cc


@pytest.fixture
def clip(model: Path) -> Path:
    return sorted((model / "clips").glob("*.wav"))[0]


@pytest.fixture
def mine(edgesdk: CommandLine, repository: Path, tmp_path: Path) -> Path:
    """A board file of the user's own, flashed."""
    bundle = tmp_path / "small.edge"
    save_bundle(recogniser_bundle(), bundle)
    board = tmp_path / "mine.toml"
    shipped = (repository / "boards" / "host.toml").read_text(encoding="utf-8")
    board.write_text(shipped.replace('name = "host"', 'name = "mine"'), encoding="utf-8")
    edgesdk.ok("flash", bundle, "--board", board)
    return board


def _kept(edgesdk: CommandLine) -> Path:
    return edgesdk.state / "edgesdk" / "devices" / "mine" / "whole.edge"


def test_board_file_and_its_name_both_find_the_kept_bundle(
    edgesdk: CommandLine, mine: Path, clip: Path
) -> None:
    _kept(edgesdk).write_bytes(b"damaged")
    for options in (("--board", mine), ("--board", "mine"), ()):
        for verb in (("run", clip), ("validate",)):
            outcome = edgesdk(*verb, *options)
            assert outcome.code == 3
            assert "is damaged; run `edgesdk flash BUNDLE --board mine`" in outcome.error_line()
    _kept(edgesdk).unlink()
    outcome = edgesdk("run", clip, "--board", "mine")
    assert (outcome.code, "is missing; run" in outcome.error_line()) == (3, True)


def test_flashed_board_stays_known_when_its_file_has_gone(
    edgesdk: CommandLine, mine: Path, clip: Path
) -> None:
    mine.unlink()
    outcome = edgesdk("validate", "--board", "mine")
    assert outcome.code == 2
    assert "no section" in outcome.error_line()  # samples: this bundle has none, but was found
    outcome = edgesdk("validate", "--board", mine)
    assert (outcome.code, "cannot be read" in outcome.error_line()) == (2, True)


def test_board_file_that_has_changed_since_is_told_of(
    edgesdk: CommandLine, mine: Path, clip: Path
) -> None:
    """What was flashed runs, whatever the file says by now."""

    def said() -> str:
        return " ".join(edgesdk("run", clip, "--board", mine).err.split())

    assert "00_yes.wav: " in said() and "has changed" not in said()
    mine.write_text(mine.read_text(encoding="utf-8") + "# a thought\n", encoding="utf-8")
    assert f"note: {mine}: has changed since mine was flashed" in said()
    edgesdk.ok("flash", mine.parent / "small.edge", "--board", mine)
    assert "00_yes.wav: " in said() and "has changed" not in said()


@pytest.mark.parametrize(
    ("option", "value"), [("--compiler", "tcc"), ("--link", "bogus"), ("--link", "uart")]
)
def test_wrong_choice_of_flash_is_exit_2(
    option: str, value: str, edgesdk: CommandLine, tmp_path: Path
) -> None:
    bundle = tmp_path / "small.edge"
    save_bundle(recogniser_bundle(), bundle)
    outcome = edgesdk("flash", bundle, "--board", "host", option, value)
    assert (outcome.code, f"'{value}'" in outcome.error_line()) == (2, True)


def test_validate_with_nothing_flashed_gives_the_advice_of_run(
    edgesdk: CommandLine, clip: Path
) -> None:
    for options in ((), ("--board", "host")):
        lines = [edgesdk(*verb, *options) for verb in (("run", clip), ("validate",))]
        assert [outcome.code for outcome in lines] == [3, 3]
        ran, validated = (outcome.error_line().split(": ", 1)[1] for outcome in lines)
        assert ran == validated
        assert "run `edgesdk flash BUNDLE --board" in ran


def test_without_an_independent_interpreter_nothing_is_compared(
    edgesdk: CommandLine, mine: Path, clip: Path, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    for package in ("tflite_runtime", "ai_edge_litert"):
        (hidden / package).mkdir(parents=True)
        (hidden / package / "__init__.py").write_text("raise ModuleNotFoundError(__name__)")
    without = {"PYTHONPATH": str(hidden)}
    outcome = edgesdk("run", clip, "--board", mine, environment=without)
    said = "not compared with an independent interpreter: no TFLite interpreter"
    assert outcome.code == 0
    assert said in outcome.err and said in outcome.out
    assert "device == laptop: yes" not in outcome.out and "second of audio" not in outcome.out
    document = edgesdk("run", clip, "--board", mine, "--json", environment=without).document
    assert document["device_equals_laptop"] is None
    assert document["not_compared"].startswith("no TFLite interpreter")


def test_run_says_that_a_single_graph_hears_no_clips(
    edgesdk: CommandLine, clip: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "single.edge"
    save_bundle(single_bundle(), bundle)
    edgesdk.ok("flash", bundle, "--board", "host")
    outcome = edgesdk("run", clip)
    assert (outcome.code, "holds one graph; give it --input" in outcome.error_line()) == (2, True)
