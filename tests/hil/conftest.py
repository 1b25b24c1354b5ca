"""The shipped recogniser as one bundle for all boards."""

from pathlib import Path

import pytest
from edgesdk.bundle import Bundle, save_bundle
from edgesdk.emulate import load_clips
from edgesdk.recipe import Recipe
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import convert_model


@pytest.fixture(scope="session")
def commands(repository: Path) -> Bundle:
    """The recogniser of examples/commands, calibrated in a hurry."""
    model = repository / "examples" / "commands"
    some = sorted((model / "calibration").glob("*.wav"))[:3]
    return convert_model(load_source(model / "onnx"), load_clips(some, 16000), Recipe()).bundle


@pytest.fixture(scope="session")
def commands_file(commands: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("bundle") / "commands.edge"
    save_bundle(commands, path)
    return path
