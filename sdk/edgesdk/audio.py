"""Reads spoken clips: mono 16-bit PCM in a WAV file, at the rate that the model needs."""

import shlex
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgesdk.errors import EdgeError

Samples = npt.NDArray[np.int16]

_AUDIO = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aif", ".aiff", ".au", ".sph", ".raw")
_PCM = 1
_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF  # written by tools that stream
_FORMATS = {2: "ADPCM", 3: "floating point", 6: "A-law", 7: "mu-law", 85: "MP3"}


@dataclass(frozen=True)
class Format:
    """What a WAV file's format chunk says."""

    encoding: int
    channels: int
    rate: int
    bits: int


def read_wav(path: Path, rate: int) -> Samples:
    """Samples [n], int16, of a mono 16-bit PCM file at `rate` Hz.

    Raises:
        EdgeError: it cannot be read, is no WAV file, is cut short, or has another form.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgeError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return parse_wav(data, rate, str(path))


def parse_wav(data: bytes, rate: int, source: str) -> Samples:
    """Samples [n], int16, of the WAV file in `data`; `source` names it in errors.

    Raises:
        EdgeError: it is no WAV file, is cut short, or has another form.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        how = f"convert it: {_command(source, rate)}"
        if Path(source).suffix.lower() not in _AUDIO:
            how = f"give clips in 16-bit mono WAV files at {rate} Hz"
        raise EdgeError(f"{source}: not a WAV file; {how}")
    form: Format | None = None
    at = 12
    while at + 8 <= len(data):
        tag, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if tag == b"data":
            _check_form(form, rate, source)
            return _samples(data, at, size, source)
        if at + size > len(data):
            break
        if tag == b"fmt ":
            form = _format(data[at : at + size], source)
        at += size + size % 2
    raise EdgeError(f"{source}: cut short, {len(data)} bytes hold no audio; copy it again")


def _command(source: str, rate: int) -> str:
    return f"sox {shlex.quote(source)} -r {rate} -c 1 -b 16 out.wav"


def _format(chunk: bytes, source: str) -> Format:
    if len(chunk) < 16:
        raise EdgeError(
            f"{source}: damaged, its format chunk has {len(chunk)} of 16 bytes; copy it again"
        )
    encoding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if encoding == _EXTENSIBLE and len(chunk) >= 26:
        encoding = struct.unpack_from("<H", chunk, 24)[0]  # first field of the sub-format
    return Format(encoding, channels, rate, bits)


def _check_form(form: Format | None, rate: int, source: str) -> None:
    if form is None:
        raise EdgeError(f"{source}: damaged, audio before its format; copy it again")
    convert = f"convert it: {_command(source, rate)}"
    if form.encoding != _PCM:
        name = _FORMATS.get(form.encoding, f"encoding {form.encoding}")
        raise EdgeError(f"{source}: {name} samples, 16-bit PCM expected; {convert}")
    if form.bits != 16:
        raise EdgeError(f"{source}: {form.bits}-bit samples, 16 bits expected; {convert}")
    if form.channels != 1:
        what = "stereo" if form.channels == 2 else f"{form.channels} channels"
        raise EdgeError(f"{source}: {what}, one channel expected; {convert}")
    if form.rate != rate:
        raise EdgeError(f"{source}: {form.rate} Hz, the model needs {rate} Hz; {convert}")


def _samples(data: bytes, at: int, size: int, source: str) -> Samples:
    present = len(data) - at
    if size == _UNKNOWN_SIZE:
        size = present - present % 2
    if size > present:
        raise EdgeError(
            f"{source}: cut short, {present} of {size} bytes of audio; copy or record it again"
        )
    if size % 2:
        raise EdgeError(f"{source}: damaged, {size} bytes are no whole samples; copy it again")
    if size == 0:
        raise EdgeError(f"{source}: 0 samples; record it again")
    return np.frombuffer(data, "<i2", size // 2, at).astype(np.int16)
