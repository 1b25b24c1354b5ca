"""Collects what a device tells during one utterance."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgesdk.core import EndpointEvent, EndpointKind
from edgesdk.endpoints import Endpoint, make_endpoint
from edgesdk.errors import WireError
from edgesdk.lattice import read_results
from edgesdk.link.messages import (
    Message,
    ResultsPart,
    Token,
    read_logits,
    read_results_part,
    read_token,
)
from edgesdk.link.payload import Cursor, PayloadError

TokenHandler = Callable[[Token], None]


@dataclass(frozen=True)
class EndpointPart:
    """An end point: kind, utterance, version, time in ms, tokens of the best hypothesis so far.

    The last `untold` of these tokens are not told yet; `pieces` are their texts from number `first`
    on.
    """

    kind: int
    utterance: int
    version: int
    time_ms: int
    tokens: int
    untold: int
    first: int
    pieces: tuple[str, ...]


def read_endpoint(payload: bytes) -> EndpointPart:
    """Payload of ENDPOINT."""
    cursor = Cursor(payload, "ENDPOINT")
    kind, utterance, version, time_ms, tokens, untold, first = cursor.numbers("B6I")
    pieces = []
    while cursor.at < len(payload):
        pieces.append(cursor.text())
    if kind not in (1, 2, 3) or not first + len(pieces) <= untold <= tokens:
        raise PayloadError(
            f"the device's ENDPOINT message has kind {kind}, tokens {first} and {len(pieces)} more "
            f"of {untold} of {tokens}; "
            "flash the firmware of this edgesdk version"
        )
    return EndpointPart(kind, utterance, version, time_ms, tokens, untold, first, tuple(pieces))


class Listener:
    """Collects the events of one utterance."""

    def __init__(self, on_token: TokenHandler | None) -> None:
        self.on_token = on_token
        self.tokens: list[Token] = []
        self.logits: list[bytes] = []
        self.endpoints: list[Endpoint] = []
        self._partial = b""
        self._untold: list[str] = []  # of an end point that is not complete
        self._results = b""

    def handle(self, message: Message, payload: bytes) -> None:
        """Take an event."""
        if message == Message.TOKEN:
            token = read_token(payload)
            self.tokens.append(token)
            if self.on_token is not None:
                self.on_token(token)
        elif message == Message.LOGITS:
            part = read_logits(payload)
            if part.offset != len(self._partial):
                raise WireError(
                    f"logits of frame {part.frame} arrive out of order; report it with this line"
                )
            self._partial += part.data
            if len(self._partial) == part.total:
                self.logits.append(self._partial)
                self._partial = b""
        elif message == Message.ENDPOINT:
            self._take_endpoint(read_endpoint(payload))
        elif message == Message.UTTERANCE_RESULTS:
            self._take_results(read_results_part(payload))

    def _take_endpoint(self, part: EndpointPart) -> None:
        known = part.tokens - part.untold
        if part.first != len(self._untold) or known > len(self.tokens):
            raise WireError("an end point's tokens arrive out of order; report it with this line")
        self._untold += part.pieces
        if len(self._untold) < part.untold:
            return
        told = [token.piece for token in self.tokens[len(self.tokens) - known :]]
        place = part.utterance, part.version, part.time_ms, part.tokens
        event = EndpointEvent(EndpointKind(part.kind), *place, ())
        self.endpoints.append(make_endpoint(event, told, self._untold))
        self._untold = []

    def _take_results(self, part: ResultsPart) -> None:
        if part.offset != len(self._results) or not self.endpoints:
            raise WireError("an utterance's results arrive out of order; report it with this line")
        self._results += part.data
        if len(self._results) >= part.total:
            results = read_results(self._results)
            self.endpoints[-1] = replace(self.endpoints[-1], results=results)
            self._results = b""
