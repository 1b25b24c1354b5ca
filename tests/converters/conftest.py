"""Sources that several converter tests share."""

from pathlib import Path

import pytest
from edgesdk_converters.frontends.onnx import load_source
from edgesdk_converters.source import Source
from tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def small_source(tiny_folder: Path) -> Source:
    return load_source(tiny_folder)
