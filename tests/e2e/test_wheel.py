"""The built wheel, installed outside the checkout, does what the checkout does."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs_cc


def _run(*command: object, cwd: Path) -> str:
    finished = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Root of a fresh environment with the wheel; dependencies are borrowed from this one's."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, repository)
    _run(sys.executable, *build, cwd=folder)
    (wheel,) = folder.glob("edgesdk-*.whl")
    environment = folder / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    # A path of a .pth file comes last, so the wheel wins; the borrowed packages stay untouched.
    pip = ("-m", "pip", "--python", environment / "bin" / "python", "install", "-qq")
    _run(sys.executable, *pip, "--no-deps", "--ignore-installed", wheel, cwd=folder)
    return environment


def test_installed_package_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    where = "import edgesdk, edgesdk_converters as c; print(edgesdk.__file__, c.__file__)"
    paths = _run(installed / "bin" / "python", "-c", where, cwd=tmp_path).split()
    assert all(Path(path).is_relative_to(installed) for path in paths)


def test_doctor_boards_convert_flash_and_run(
    installed: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("onnx", "calibration", "clips"):
        shutil.copytree(model / name, tmp_path / name)
    edgesdk = installed / "bin" / "edgesdk"
    _run(edgesdk, "doctor", "--board", "host", cwd=tmp_path)
    assert "qemu-mps3-an547" in _run(edgesdk, "boards", cwd=tmp_path)
    convert = ("convert", "onnx", "--calibration", "calibration", "--board", "host", "-o", "made")
    _run(edgesdk, *convert, cwd=tmp_path)
    _run(edgesdk, "flash", "made/model.edge", "--board", "host", cwd=tmp_path)
    _run(edgesdk, "new", "firmware", "--board", "host", "-o", "home", cwd=tmp_path)
    assert (tmp_path / "home" / "LICENSE").is_file()
    clip = next((tmp_path / "clips").glob("*.wav"))
    transcript = _run(edgesdk, "run", clip, "--board", "host", "--json", cwd=tmp_path)
    assert json.loads(transcript)["device_equals_laptop"] is True


def test_pytest_plugin_comes_along(installed: Path, tmp_path: Path) -> None:
    markers = _run(installed / "bin" / "python", "-m", "pytest", "--markers", cwd=tmp_path)
    assert "@pytest.mark.latency_p95_us(most, board='*')" in markers
