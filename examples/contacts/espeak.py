"""espeak-ng inside the process: a quarter of the cost of a process for every sentence."""

import ctypes
from functools import lru_cache

import commands_path  # noqa: F401
import numpy as np
from synthesis import Samples, Voice, resample

_SYNCHRONOUS, _UTF8, _RATE, _PITCH, _CHARACTERS = 2, 1, 1, 3, 1
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_pieces: list[Samples] = []


class _Properties(ctypes.Structure):
    """espeak_VOICE of espeak-ng/speak_lib.h."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("name", "languages", "identifier")),
        *((name, ctypes.c_ubyte) for name in ("gender", "age", "variant", "xx1")),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def _collect(wav: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
    if wav and count > 0:
        _pieces.append(np.ctypeslib.as_array(wav, (count,)).copy())
    return 0


_callback = _Callback(_collect)


@lru_cache(maxsize=1)
def _library() -> tuple[ctypes.CDLL, int]:
    """Return libespeak-ng, ready, and its sample rate in Hz."""
    library = ctypes.CDLL("libespeak-ng.so.1")
    rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0))
    if rate <= 0:
        raise OSError("libespeak-ng.so.1 cannot start: its espeak-ng-data is missing or broken")
    library.espeak_SetSynthCallback(_callback)
    return library, rate


def speak(voice: Voice, text: str) -> Samples:
    """Return what `voice.speak` does for an espeak-ng voice, but for the pause at the end."""
    library, rate = _library()
    options = dict(zip(voice.command[1::2], voice.command[2::2], strict=True))
    name = options["-v"].encode()
    # Like the program: what is no voice's name may be a language, such as en-gb.
    if library.espeak_SetVoiceByName(name) and library.espeak_SetVoiceByProperties(
        ctypes.byref(_Properties(languages=name))
    ):
        raise OSError(f"espeak-ng has no voice {options['-v']}")
    library.espeak_SetParameter(_RATE, int(options["-s"]), 0)
    library.espeak_SetParameter(_PITCH, int(options.get("-p", "50")), 0)
    _pieces.clear()
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
    return resample(np.concatenate(_pieces), rate)
