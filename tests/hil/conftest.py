"""The shipped recogniser as one bundle for all boards."""

from pathlib import Path

import pytest
from edgesdk.bundle import Bundle, save_bundle
from edgesdk.emulate import load_clips
from edgesdk.folders import firmware_cache_dir
from edgesdk.recipe import Recipe
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.pipeline import convert_model
from one_desk import Bench

FIRMWARE = firmware_cache_dir().resolve()


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


@pytest.fixture
def own_bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench in a home of its own, but for firmware, which takes long to compile."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    home = pytester.path / "home"
    home.mkdir()
    (home / "firmware").symlink_to(FIRMWARE)
    monkeypatch.setenv("EDGESDK_HOME", str(home))
    return Bench(pytester)
