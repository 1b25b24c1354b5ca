"""Errors that a user can act on; each class carries the exit code of the command line."""

from collections.abc import Mapping


class EdgeError(Exception):
    """What failed, where, why and what to do next, in one line.

    Exit codes are a contract (docs/cli.md): 1 the result is bad, 2 usage or bad input,
    3 no or ambiguous device, 4 build or flash failed, 5 no answer in time, 6 protocol or
    identity mismatch. `details` go into the JSON object of the error.
    """

    exit_code = 2
    details: Mapping[str, object] | None = None
    lasting = False  # whether trying again cannot help


class BoardError(EdgeError):
    """A board file is unknown or contradicts itself."""


class BenchError(EdgeError):
    """A bench file is malformed, or asks for what cannot be."""


class BundleError(EdgeError):
    """A .edge file is malformed, or not what the command needs."""


class ConvertError(EdgeError):
    """A model cannot be converted as asked."""


class NpuError(EdgeError):
    """An NPU's command stream is malformed, or does what the hardware would not forgive."""


class BiasError(EdgeError):
    """Phrases that cannot become a bias table, or a table that cannot be used."""


class FitError(EdgeError):
    """A bundle does not fit the board."""

    exit_code = 1


class DeviceError(EdgeError):
    """No device, or more than one."""

    exit_code = 3


class HeldError(DeviceError):
    """Somebody else has the device, and keeps it."""

    lasting = True


class BuildError(EdgeError):
    """Firmware could not be built or flashed."""

    exit_code = 4


class HopelessError(BuildError):
    """What was to run there cannot, however often it is tried: no fit, no tool, no compiler."""

    lasting = True


class FlashError(BuildError):
    """A real board could not be written, or holds something else than was written."""


class NoAnswerError(EdgeError):
    """A device did not answer in time, or its port vanished."""

    exit_code = 5


class GoneError(NoAnswerError):
    """A device that was there has gone: its port vanished, or its process ended."""


class WireError(EdgeError):
    """A device spoke another protocol, another identity, or reported a fault."""

    exit_code = 6


class IdentityError(WireError):
    """What runs there is another board, firmware, protocol or bundle than the one meant."""
