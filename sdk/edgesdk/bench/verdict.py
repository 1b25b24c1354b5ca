"""What became of a run on a desk: one word, and the cause in one line."""

from enum import StrEnum

from edgesdk.errors import (
    BuildError,
    DeviceError,
    EdgeError,
    FitError,
    GoneError,
    IdentityError,
    NoAnswerError,
    WireError,
)


class Verdict(StrEnum):
    """Only `passed` is good, and only `failed` says something about the result."""

    PASSED = "passed"
    FAILED = "failed"  # a wrong result, or a budget exceeded
    FLASH_ERROR = "flash_error"  # what should run there did not get there, or is not what runs
    NO_DEVICE = "no_device"  # nothing there, or it has gone
    TIMEOUT = "timeout"  # silence, or no end in time
    LINK_ERROR = "link_error"  # damaged frames, noise, a restart in the middle
    BAD_INPUT = "bad_input"  # a file, an option or a fixture of the user's

    @property
    def is_error(self) -> bool:
        """Whether there is no result to speak of."""
        return self not in (Verdict.PASSED, Verdict.FAILED)


RETRIED = (Verdict.FLASH_ERROR, Verdict.NO_DEVICE, Verdict.TIMEOUT)


class WrongResultError(EdgeError):
    """A device did its work and the result is wrong."""

    exit_code = 1


# The first class that fits decides, so children stand before their parents.
VERDICTS: tuple[tuple[type[EdgeError], Verdict], ...] = (
    (WrongResultError, Verdict.FAILED),
    (BuildError, Verdict.FLASH_ERROR),
    (FitError, Verdict.FLASH_ERROR),
    (IdentityError, Verdict.FLASH_ERROR),
    (DeviceError, Verdict.NO_DEVICE),
    (GoneError, Verdict.NO_DEVICE),
    (NoAnswerError, Verdict.TIMEOUT),
    (WireError, Verdict.LINK_ERROR),
    (EdgeError, Verdict.BAD_INPUT),
)


def verdict_of(error: EdgeError) -> Verdict:
    """The verdict that an error means."""
    return next(verdict for kind, verdict in VERDICTS if isinstance(error, kind))


def is_retried(error: EdgeError) -> bool:
    """Whether a second try may end otherwise: a loose cable, a busy probe, but no missing tool."""
    return verdict_of(error) in RETRIED and not error.lasting


def one_line(text: object) -> str:
    """A cause without line breaks and control characters, which JUnit cannot hold."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))
