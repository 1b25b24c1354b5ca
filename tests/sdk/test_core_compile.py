"""The C core is compiled once, into the user's cache, and says what is missing."""

import sys
import threading
from pathlib import Path

import pytest
from edgesdk.core import compile as core_compile
from edgesdk.errors import BuildError

pytestmark = pytest.mark.needs_cc


@pytest.fixture
def counting_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$CC as a script that notes every compilation and writes an empty library."""
    log = tmp_path / "calls"
    script = tmp_path / "cc script"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time\n"
        "if '--version' in sys.argv:\n"
        "    print('counting cc 1.0')\n"
        "    sys.exit()\n"
        f"with open({str(log)!r}, 'a') as out:\n"
        "    out.write('x')\n"
        "time.sleep(0.1)\n"
        "pathlib.Path(sys.argv[sys.argv.index('-o') + 1]).write_bytes(b'library')\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", f"'{script}'")
    monkeypatch.setenv("EDGESDK_CACHE", str(tmp_path / "cache"))
    return log


def test_core_when_cached_then_is_not_compiled_again(
    counting_compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = core_compile.compiled_core()
    assert core_compile.compiled_core() == first
    assert counting_compiler.read_text() == "x"
    monkeypatch.setattr(core_compile, "_FLAGS", (*core_compile._FLAGS, "-DOTHER"))
    assert core_compile.compiled_core() != first
    assert counting_compiler.read_text() == "xx"
    suffixes = sorted(path.suffix for path in first.parent.iterdir())
    assert suffixes == [".sha256", ".sha256", ".so", ".so"]


def test_core_when_two_processes_compile_then_both_get_a_whole_file(
    counting_compiler: Path,
) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(core_compile.compiled_core()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert found[0].read_bytes() == b"library"
    assert {path.stem for path in found[0].parent.iterdir()} == {found[0].stem}


def test_core_without_a_compiler_then_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"no host C compiler .* install gcc or clang, or set CC"):
        core_compile.compiled_core()
    monkeypatch.setenv("CC", "nowhere-cc -m64")
    with pytest.raises(BuildError, match=r"CC=nowhere-cc -m64: no such compiler"):
        core_compile.compiled_core()


def test_core_when_the_compiler_fails_then_shows_its_first_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "cc"
    script.write_text(
        "#!/bin/sh\ncase $1 in --version) echo failing;; *) echo note >&2; "
        "echo 'x.c:1: error: no such thing' >&2; exit 1;; esac\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setenv("EDGESDK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match=r"failed: x.c:1: error: no such thing; set CC") as caught:
        core_compile.compiled_core()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4
    assert list((tmp_path / "cache").iterdir()) == []


def test_core_when_the_cache_cannot_be_written_then_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("EDGESDK_CACHE", str(blocker / "cache"))
    with pytest.raises(BuildError, match=r"cannot be written .* set EDGESDK_CACHE"):
        core_compile.compiled_core()


def test_cache_folder_then_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGESDK_CACHE", str(tmp_path / "own"))
    assert core_compile.cache_dir() == tmp_path / "own"
    monkeypatch.delenv("EDGESDK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert core_compile.cache_dir() == tmp_path / "edgesdk"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert core_compile.cache_dir() == tmp_path / "home" / ".cache" / "edgesdk"


@pytest.mark.parametrize("damage", [b"", b"libra", b"librarx"])
def test_core_when_damaged_in_the_cache_then_is_compiled_anew(
    counting_compiler: Path, damage: bytes
) -> None:
    core = core_compile.compiled_core()
    core.write_bytes(damage)
    assert core_compile.compiled_core() == core
    assert core.read_bytes() == b"library"
    assert counting_compiler.read_text() == "xx"
