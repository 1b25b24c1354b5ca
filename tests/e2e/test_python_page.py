"""The Python that docs/python.md shows runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs_cc


def test_python_page_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(repository)
    monkeypatch.delenv("EDGESDK_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    variables: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), variables)
    assert variables["own"].meta["name"] == "own"
    assert all(clip.text for clip in variables["laptop"])
