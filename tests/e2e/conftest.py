"""The shipped recogniser, converted once per board, and the command line to run it with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine


@pytest.fixture
def edgesdk(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "state")


@pytest.fixture(scope="session")
def model(repository: Path) -> Path:
    """Folder of the shipped recogniser."""
    return repository / "examples" / "commands"


@pytest.fixture(scope="session")
def convert(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Callable[[str], Path]:
    """The shipped recogniser's bundle for a board, converted once per session."""
    made: dict[str, Path] = {}

    def bundle(board: str) -> Path:
        if board not in made:
            folder = tmp_path_factory.mktemp("bundle") / board
            run = CommandLine(tmp_path_factory.mktemp("state"))
            calibration = model / "calibration"
            run.ok(
                *("convert", model / "onnx", "--calibration", calibration),
                *("--board", board, "-o", folder),
            )
            made[board] = folder / "model.edge"
        return made[board]

    return bundle
