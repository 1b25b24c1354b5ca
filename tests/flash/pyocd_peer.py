"""A debug probe for pyOCD in front of a simulated chip, behind pyOCD's own probe server."""

from typing import Any

from chip import DebugPort
from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.probe.debug_probe import DebugProbe
from pyocd.probe.tcp_probe_server import DebugProbeServer


class SimulatedProbe(DebugProbe):
    """The few calls by which pyOCD reads and writes a debug port."""

    def __init__(self, port: DebugPort) -> None:
        """In front of one debug port."""
        super().__init__()
        self._port = port
        self._open = False

    vendor_name, product_name, unique_id = "edgesdk", "simulated probe", "SIM1"
    supported_wire_protocols = (DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD)
    wire_protocol = DebugProbe.Protocol.SWD
    capabilities = frozenset({DebugProbe.Capability.SWJ_SEQUENCE})

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self._open = False

    def connect(self, protocol: object = None) -> None:
        del protocol

    def disconnect(self) -> None: ...

    def swj_sequence(self, length: int, bits: int) -> None: ...

    def set_clock(self, frequency: float) -> None: ...

    def flush(self) -> None: ...

    def reset(self) -> None:
        self._port.chip.reset()

    def assert_reset(self, asserted: bool) -> None:
        if not asserted:
            self._port.chip.reset()

    def is_reset_asserted(self) -> bool:
        return False

    def read_dp(self, addr: int, now: bool = True) -> Any:
        if self._port.chip.deaf:
            raise exceptions.TransferError("No ACK received")  # as CMSIS-DAP probes say
        value = self._port.read_dp(addr)
        return value if now else lambda: value

    def write_dp(self, addr: int, data: int) -> None:
        self._port.write_dp(addr, data)

    def read_ap(self, addr: int, now: bool = True) -> Any:
        value = self._port.read_ap(addr)
        return value if now else lambda: value

    def write_ap(self, addr: int, data: int) -> None:
        self._port.write_ap(addr, data)

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        values = [self._port.read_ap(addr) for _ in range(count)]
        return values if now else lambda: values

    def write_ap_multiple(self, addr: int, values: list[int]) -> None:
        for value in values:
            self._port.write_ap(addr, value)


class ProbeServer:
    """pyOCD's server; `name` is what a client names the probe by."""

    def __init__(self, port: DebugPort) -> None:
        """Listens at once."""
        session = Session(None, options={"no_config": True})
        self._server = DebugProbeServer(session, SimulatedProbe(port), 0, True)
        self._server.start()
        while not self._server.port:
            pass
        self.name = f"remote:localhost:{self._server.port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()
        self._server._server.server_close()
