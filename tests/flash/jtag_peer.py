"""OpenOCD's remote_bitbang on a socket: a JTAG-DP in front of a simulated chip, bit by bit."""

import socket
import threading

from chip import JTAG_IDCODE, DebugPort

IR_BITS, DR_BITS = 4, {0x8: 35, 0xA: 35, 0xB: 35, 0xE: 32}
BYPASS, DPACC, APACC, IDCODE = 0xF, 0xA, 0xB, 0xE
OK = 0b010
# Next state by TMS (IEEE 1149.1).
NEXT = {
    "reset": ("idle", "reset"),
    "idle": ("idle", "select_dr"),
    "select_dr": ("capture_dr", "select_ir"),
    "capture_dr": ("shift_dr", "exit1_dr"),
    "shift_dr": ("shift_dr", "exit1_dr"),
    "exit1_dr": ("pause_dr", "update_dr"),
    "pause_dr": ("pause_dr", "exit2_dr"),
    "exit2_dr": ("shift_dr", "update_dr"),
    "update_dr": ("idle", "select_dr"),
    "select_ir": ("capture_ir", "reset"),
    "capture_ir": ("shift_ir", "exit1_ir"),
    "shift_ir": ("shift_ir", "exit1_ir"),
    "exit1_ir": ("pause_ir", "update_ir"),
    "pause_ir": ("pause_ir", "exit2_ir"),
    "exit2_ir": ("shift_ir", "update_ir"),
    "update_ir": ("idle", "select_dr"),
}


class Tap:
    """The JTAG-DP: instructions DPACC, APACC, IDCODE, BYPASS."""

    def __init__(self, port: DebugPort) -> None:
        """In front of one debug port."""
        self.port = port
        self.state, self.instruction = "reset", IDCODE
        self.shift, self.bits, self.result, self.clock = 0, 1, 0, 0

    def pins(self, tck: int, tms: int, tdi: int) -> None:
        """What the wires do; everything happens at the rising clock."""
        if tck and not self.clock:
            self._edge(tms, tdi)
        self.clock = tck

    def _edge(self, tms: int, tdi: int) -> None:
        if self.state in ("shift_dr", "shift_ir"):
            self.shift = self.shift >> 1 | tdi << self.bits - 1
        self.state = NEXT[self.state][tms]
        getattr(self, f"_{self.state}", lambda: None)()

    def _reset(self) -> None:
        self.instruction = IDCODE

    def _capture_ir(self) -> None:
        self.shift, self.bits = 0b0001, IR_BITS

    def _update_ir(self) -> None:
        self.instruction = self.shift

    def _capture_dr(self) -> None:
        self.bits = DR_BITS.get(self.instruction, 1)
        if self.instruction == IDCODE:
            self.shift = JTAG_IDCODE
        elif self.instruction in (DPACC, APACC):
            self.shift = self.result << 3 | OK
        else:
            self.shift = 0

    def _update_dr(self) -> None:
        if self.instruction not in (DPACC, APACC):
            return
        read, address, value = self.shift & 1, (self.shift >> 1 & 3) << 2, self.shift >> 3
        port = self.port
        if self.instruction == DPACC:
            if read:
                self.result = self.result if address == 0xC else port.read_dp(address)
            else:
                port.write_dp(address, value)
        elif read:
            self.result = port.read_ap(address)
        else:
            port.write_ap(address, value)

    @property
    def tdo(self) -> int:
        """The wire out."""
        return self.shift & 1


class JtagPeer(threading.Thread):
    """Serves one adapter after another until it is closed."""

    def __init__(self, port: DebugPort) -> None:
        """Listens at once, on `self.number`."""
        super().__init__(daemon=True)
        self.dap = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.number = self.listener.getsockname()[1]
        self.start()

    def run(self) -> None:
        """Accept adapters."""
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                self._serve(link)

    def _serve(self, link: socket.socket) -> None:
        tap = Tap(self.dap)
        chip = self.dap.chip
        while data := link.recv(65536):
            answer = bytearray()
            for byte in data:
                if 0x30 <= byte <= 0x37:
                    pins = byte - 0x30
                    tap.pins(pins >> 2, pins >> 1 & 1, pins & 1)
                elif byte == 0x52:  # R
                    answer.append(0x30 + (1 if chip.deaf else tap.tdo))
                elif byte in b"su":  # SRST let go after it was held
                    chip.reset()
                elif byte == 0x51:  # Q
                    return
            if answer:
                link.sendall(answer)

    def close(self) -> None:
        """Stop listening."""
        self.listener.close()
