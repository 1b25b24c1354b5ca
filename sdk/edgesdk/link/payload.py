"""Payloads of messages, read field by field."""

import struct

from edgesdk.errors import WireError


class PayloadError(WireError):
    """A payload does not have its form; the channel adds which device sent it."""


class VersionError(PayloadError):
    """An identity in another version of the protocol."""


class Cursor:
    """Reads a payload field by field; short or long payloads are protocol errors."""

    def __init__(self, payload: bytes, message: str) -> None:
        """`message` names the payload in errors."""
        self.payload = payload
        self.at = 0
        self.message = message

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if self.at + count > len(self.payload):
            raise PayloadError(
                f"the device's {self.message} message ends after {len(self.payload)} bytes; "
                "flash the firmware of this edgesdk version"
            )
        self.at += count
        return self.payload[self.at - count : self.at]

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Fields of a struct layout, little-endian."""
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def text(self) -> str:
        """A counted text."""
        return self.take(self.take(1)[0]).decode("utf-8", "replace")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.payload) - self.at)

    def end(self) -> None:
        """Refuse left-over bytes."""
        if self.at != len(self.payload):
            raise PayloadError(
                f"the device's {self.message} message is {len(self.payload)} bytes long, "
                f"{self.at} expected; flash the firmware of this edgesdk version"
            )
