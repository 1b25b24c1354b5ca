"""The image format holds still: yesterday's image runs today, and is made again byte for byte."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgesdk.bundle import read_bundle
from edgesdk.core.graph import Graph, Image
from edgesdk_converters.lower import lower_single


@pytest.fixture(scope="module")
def case(repository: Path) -> dict[str, Any]:
    text = (repository / "tests" / "golden" / "image_case.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_lowering_gives_the_stored_image(case: dict[str, Any]) -> None:
    made = lower_single(base64.b64decode(case["tflite"])).device_bytes()
    assert made == base64.b64decode(case["image"])


@pytest.mark.needs_cc
def test_the_stored_image_gives_the_stored_outputs(case: dict[str, Any]) -> None:
    image = base64.b64decode(case["image"])
    assert read_bundle(image).roles == ("net",)
    graph = Graph(Image(image).find("GNET"))
    for values, expected in zip(case["inputs"], case["outputs"], strict=True):
        found = graph.run(np.array([[values]], np.int8))[0]
        assert found.reshape(-1).tolist() == expected
