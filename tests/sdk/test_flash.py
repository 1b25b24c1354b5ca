"""The device folder: complete or unchanged, and never trusted blindly."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from edgesdk.board import load_board
from edgesdk.build import build
from edgesdk.errors import BuildError, DeviceError
from edgesdk.flash import store as store_module
from edgesdk.flash.store import MANIFEST, flashed_boards, load, store
from edgesdk.link import power
from edgesdk.link.device import Device, open_device
from edgesdk.link.power import describe
from small_bundle import recogniser_bundle, single_bundle

pytestmark = pytest.mark.needs_cc
HOST = load_board("host")


def test_stored_image_is_what_the_device_runs(tmp_path: Path) -> None:
    bundle = recogniser_bundle()
    image = build(HOST, bundle)
    manifest = json.loads(store(image, tmp_path).read_text(encoding="utf-8"))
    assert manifest["schema"] == "edgesdk.device/1"
    assert manifest["bundle_digest"] == bundle.digest == image.bundle_digest
    assert manifest["files"]["firmware"]["sha256"] == image.firmware_sha256
    with open_device(HOST, devices=tmp_path) as device:
        device.check_bundle(bundle.digest)
        assert device.identity.image_bytes == len(bundle.device_bytes())


def test_flashing_again_replaces_and_cleans_up(tmp_path: Path) -> None:
    store(build(HOST, recogniser_bundle()), tmp_path)
    store(build(HOST, single_bundle()), tmp_path)
    flashed = load("host", tmp_path)
    assert flashed.bundle_digest == single_bundle().digest
    assert len(list((tmp_path / "host").iterdir())) == 3
    assert [found.board for found in flashed_boards(tmp_path)] == ["host"]


@pytest.mark.parametrize("call", range(1, 4))
def test_interrupted_flash_leaves_the_old_content(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th replacement of a file fails, as on a full disk."""
    store(build(HOST, recogniser_bundle()), tmp_path)
    replace, calls = store_module.replace_file, []

    def fail(path: Path, data: bytes, mode: int = 0o644) -> None:
        calls.append(path)
        if len(calls) == call:
            raise OSError(28, "No space left on device")
        replace(path, data, mode)

    monkeypatch.setattr(store_module, "replace_file", fail)
    if call < 3:
        with pytest.raises(BuildError, match=r"cannot flash \(No space left on device\)"):
            store(build(HOST, single_bundle()), tmp_path)
        assert load("host", tmp_path).bundle_digest == recogniser_bundle().digest
    else:  # the firmware is the same file and is not written again
        store(build(HOST, single_bundle()), tmp_path)
        assert len(calls) == 2


def test_device_outlives_the_thread_that_opened_it(tmp_path: Path) -> None:
    store(build(HOST), tmp_path)
    opened: list[Device] = []
    thread = threading.Thread(target=lambda: opened.append(open_device(HOST, devices=tmp_path)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    with opened[0] as device:
        assert device.hello().board == "host"


def test_child_whose_parent_has_gone_ends_itself() -> None:
    no_process = 1 << 30
    ask = power._dies_with(no_process)
    with subprocess.Popen(["sleep", "5"], preexec_fn=ask) as orphan:
        assert orphan.wait(2) == -signal.SIGKILL


def test_nothing_flashed_is_no_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="nothing is flashed on it; run `edgesdk flash"):
        open_device(HOST, devices=tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / MANIFEST).write_text("{"),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_text('{"schema": "edgesdk.device/9"}'),
        lambda folder: next(folder.glob("*.elf")).unlink(),
        lambda folder: next(folder.glob("*.image")).write_bytes(b"EDGE"),
    ],
    ids=["cut off", "another type", "another schema", "no firmware", "changed image"],
)
def test_damaged_device_folder_is_refused(damage: object, tmp_path: Path) -> None:
    store(build(HOST, recogniser_bundle()), tmp_path)
    damage(tmp_path / "host")  # type: ignore[operator]
    with pytest.raises(DeviceError, match="edgesdk flash BUNDLE --board host") as caught:
        load("host", tmp_path)
    assert "\n" not in str(caught.value)
    assert flashed_boards(tmp_path) == []


def test_power_on_command_is_shown(tmp_path: Path) -> None:
    store(build(HOST, recogniser_bundle()), tmp_path)
    flashed = load("host", tmp_path)
    assert describe(HOST, flashed) == f"{flashed.firmware} {flashed.image}"
    m55 = load_board("qemu-mps3-an547")
    command = describe(m55, flashed)
    assert "qemu-system-arm" in command
    assert "-icount shift=7,sleep=on,align=off" in command
    assert f"file={flashed.image},addr=0x70040000,force-raw=on" in command
