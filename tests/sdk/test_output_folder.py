"""A folder of results is the old one or the new one, whatever happens in between."""

from collections.abc import Callable
from pathlib import Path

import pytest
from edgesdk.cli.output_folder import check_replaceable, write_folder
from edgesdk.errors import EdgeError
from edgesdk.report.manifest import check_run_folder


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_new_result_replaces_the_old_one_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "made", {"a.bin": b"1", "b.bin": b"2"}, {})
    write_folder(tmp_path / "made", {"a.bin": b"3"}, {"name": "x"})
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["a.bin", "manifest.json"]
    assert (tmp_path / "made" / "a.bin").read_bytes() == b"3"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 2])
def test_failure_between_the_renames_keeps_the_old_result(
    at: int, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "made", {"a.bin": b"old"}, {})
    before = _files(tmp_path)
    rename, calls = Path.rename, [0]

    def fail_once(self: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == at:
            raise failure
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises((EdgeError, KeyboardInterrupt)):
        write_folder(tmp_path / "made", {"a.bin": b"new"}, {})
    assert _files(tmp_path) == before


@pytest.mark.parametrize("check", [check_replaceable, check_run_folder])
def test_place_that_cannot_be_written_is_refused_before_the_work(
    check: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path / "new" / "made")
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match=r"cannot be written \(.*file is no folder\); .* another"):
        check(tmp_path / "file" / "made")
    # As root every folder can be written, so the answer of the system stands in.
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(EdgeError, match=rf"cannot be written \({tmp_path} is read-only\)"):
        check(tmp_path / "new" / "made")
