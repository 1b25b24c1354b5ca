"""Clips that cannot be used are refused in one line that says what to do."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from edgesdk.audio import parse_wav, read_wav
from edgesdk.errors import EdgeError

SAMPLES = np.arange(-300, 300, dtype=np.int16)


def _wav(
    channels: int = 1, rate: int = 16000, width: int = 2, frames: bytes | None = None
) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as out:
        out.setnchannels(channels)
        out.setframerate(rate)
        out.setsampwidth(width)
        out.writeframes(SAMPLES.tobytes() if frames is None else frames)
    return stream.getvalue()


def _chunks(form: bytes, *others: tuple[bytes, bytes]) -> bytes:
    body = b"WAVE"
    for tag, content in ((b"fmt ", form), *others):
        body += tag + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


PCM = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
FLOAT = struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32)
EXTENSIBLE = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 16000, 32000, 2, 16, 22, 16, 4, 1) + bytes(14)


def test_wav_then_gives_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(_wav())
    assert np.array_equal(read_wav(path, 16000), SAMPLES)


@pytest.mark.parametrize(
    "data",
    [
        _chunks(PCM, (b"LIST", b"odd"), (b"data", SAMPLES.tobytes())),
        _chunks(EXTENSIBLE, (b"data", SAMPLES.tobytes()), (b"LIST", b"more")),
        _wav()[:40] + b"\xff\xff\xff\xff" + SAMPLES.tobytes(),
    ],
    ids=["other_chunks", "extensible", "streamed"],
)
def test_wav_in_other_forms_then_gives_its_samples(data: bytes) -> None:
    assert np.array_equal(parse_wav(data, 16000, "clip.wav"), SAMPLES)


REFUSED = {
    "rate": (_wav(rate=8000), "8000 Hz, the model needs 16000 Hz; convert it: sox clip.wav"),
    "stereo": (_wav(channels=2), "stereo, one channel expected; convert it: sox clip.wav"),
    "many": (_wav(channels=6), "6 channels, one channel expected; convert it: sox"),
    "8_bit": (_wav(width=1), "8-bit samples, 16 bits expected; convert it: sox"),
    "float": (
        _chunks(FLOAT, (b"data", bytes(8))),
        "floating point samples, 16-bit PCM expected; convert it: sox",
    ),
    "empty": (_wav(frames=b""), "0 samples; record it again"),
    "cut": (_wav()[:-2], "cut short, 1198 of 1200 bytes of audio; copy or record it again"),
    "cut_header": (_wav()[:30], "cut short, 30 bytes hold no audio; copy it again"),
    "cut_before_data": (_wav()[:36], "cut short, 36 bytes hold no audio; copy it again"),
    "odd": (_chunks(PCM, (b"data", b"123")), "damaged, 3 bytes are no whole samples; copy it"),
    "short_format": (_chunks(PCM[:12]), "damaged, its format chunk has 12 of 16 bytes; copy"),
    "no_format": (
        b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab",
        "damaged, audio before its format; copy it again",
    ),
    "text": (b"hello", "not a WAV file; convert it: sox"),
    "nothing": (b"", "not a WAV file; convert it: sox"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wav_that_cannot_be_used_then_says_why_and_what_to_do(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(EdgeError) as caught:
        parse_wav(data, 16000, "clip.wav")
    message = str(caught.value)
    assert message.startswith(f"clip.wav: {reason}")
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_wav_that_is_missing_then_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"missing\.wav: cannot be read"):
        read_wav(tmp_path / "missing.wav", 16000)


def test_wav_cut_anywhere_then_is_refused_or_read_whole() -> None:
    data = _wav()
    for size in range(len(data)):
        with pytest.raises(EdgeError):
            parse_wav(data[:size], 16000, "clip.wav")


def test_command_to_convert_can_be_pasted_and_is_for_audio_only() -> None:
    with pytest.raises(EdgeError, match=r"sox '/tmp/two words\.flac' -r 16000"):
        parse_wav(b"fLaC" + bytes(12), 16000, "/tmp/two words.flac")
    with pytest.raises(EdgeError) as caught:
        parse_wav(b"\x93NUMPY" + bytes(12), 16000, "x.npy")
    assert "sox" not in str(caught.value)
    assert str(caught.value).endswith("give clips in 16-bit mono WAV files at 16000 Hz")
