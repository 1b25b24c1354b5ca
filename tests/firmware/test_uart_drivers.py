"""Every UART driver of the boards: all bytes through, overruns counted, the baud rate right."""

import tomllib
from pathlib import Path

import pytest
from edgesdk.board import load_boards
from edgesdk.board.setup import Uart
from uart_model import BARE, Driver, UartModel, compile_driver
from uart_model_16550 import DwApb, Ns16550
from uart_model_esp32c3 import Esp32C3
from uart_model_nrf import Nrf, NrfDma
from uart_model_nxp import Lpuart
from uart_model_pl011 import Pl011
from uart_model_sifive import Sifive
from uart_model_stm32 import Stm32V1, Stm32V2

pytestmark = pytest.mark.needs_cc

# By driver, and by the bytes from register to register where the board tells them.
MODELS: dict[tuple[str, int | None], type[UartModel]] = {
    ("lpuart", None): Lpuart,
    ("nrf", None): Nrf,
    ("nrf_dma", None): NrfDma,
    ("pl011", None): Pl011,
    ("stm32_v1", None): Stm32V1,
    ("stm32_v2", None): Stm32V2,
    ("16550", 1): Ns16550,
    ("16550", 4): DwApb,
    ("sifive", None): Sifive,
    ("esp32c3", None): Esp32C3,
}
BOARDS = {
    board.name: board.uart
    for board in load_boards()
    if board.uart is not None and (board.uart.driver, board.uart.stride) in MODELS
}


@pytest.fixture(scope="module", params=BOARDS)
def uart(request: pytest.FixtureRequest) -> Uart:
    """The UART of every board in turn."""
    return BOARDS[request.param]


@pytest.fixture(scope="module")
def driver(uart: Uart, tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Its driver with that board's facts, started."""
    facts = {"EDGE_UART_BASE": uart.base, "EDGE_UART_CLOCK_HZ": uart.clock_hz}
    facts |= {"EDGE_UART_BAUD": uart.baud, "EDGE_UART_INTERRUPT": uart.interrupt}
    facts["EDGE_UART_RECEIVE_BYTES"] = uart.receive_bytes
    if uart.stride is not None:
        facts["EDGE_UART_STRIDE"] = uart.stride
    folder = tmp_path_factory.mktemp(uart.driver)
    library = compile_driver(BARE / f"uart_{uart.driver}.c", folder, facts)
    made = Driver(library, uart.base, MODELS[uart.driver, uart.stride](uart.clock_hz))
    made.init()
    return made


def test_baud_rate_is_right_within_two_percent(driver: Driver, uart: Uart) -> None:
    assert driver.model.baud() == pytest.approx(uart.baud, rel=0.02)


def test_every_byte_leaves_once_and_in_order(driver: Driver) -> None:
    data = bytes(range(256))
    driver.send(data)
    assert driver.model.sent == data


def test_every_byte_that_comes_is_handed_over(driver: Driver) -> None:
    model, data = driver.model, bytes(range(256))
    driver.received.clear()
    for at in range(0, 256, model.HOLDS):
        assert not model.pending()
        for byte in data[at : at + model.HOLDS]:
            model.arrive(byte)
        assert model.pending()
        driver.interrupt()
    assert driver.received == data
    assert driver.lost == 0
    assert not model.pending()


def test_overrun_is_counted_and_ends(driver: Driver) -> None:
    model = driver.model
    driver.received.clear()
    driver.lost = 0
    for byte in range(model.HOLDS + 1):
        model.arrive(byte)
    driver.interrupt()
    assert driver.received == bytes(range(model.HOLDS))
    assert driver.lost == model.TELLS_LOST
    assert not model.pending()
    model.arrive(77)
    driver.interrupt()
    assert driver.received[-1] == 77
    assert (len(driver.received), driver.lost) == (model.HOLDS + 1, model.TELLS_LOST)


@pytest.mark.parametrize("reads", range(6))
def test_a_byte_that_comes_during_the_interrupt_is_not_forgotten(
    driver: Driver, reads: int
) -> None:
    """Between whichever of its reads; behind the last one it asks for the next interrupt."""
    model = driver.model
    driver.received.clear()
    driver.lost = 0
    model.arrive(5)
    driver.meanwhile, driver.meanwhile_at = 6, reads
    driver.interrupt()
    if driver.meanwhile is not None:  # the driver has read less
        model.arrive(6)
        driver.meanwhile = None
    if model.pending():
        driver.interrupt()
    assert bytes(driver.received) in (b"\5\6", b"\5")
    assert len(driver.received) + driver.lost == 2
    assert not model.pending()


def test_a_busy_designware_uart_keeps_no_setting_and_no_interrupt_for_ever(tmp_path: Path) -> None:
    """A peer sends while LCR is written; a refused write and an empty timeout ask for service."""
    facts = {"EDGE_UART_BASE": 0x4000, "EDGE_UART_CLOCK_HZ": 100_000_000, "EDGE_UART_STRIDE": 4}
    library = compile_driver(BARE / "uart_16550.c", tmp_path, {**facts, "EDGE_UART_BAUD": 115_200})
    model = DwApb(100_000_000)
    model.coming = [1, 2, 3]
    driver = Driver(library, 0x4000, model)
    driver.init()
    assert model.baud() == pytest.approx(115_200, rel=0.02)
    assert model.refused
    driver.interrupt()
    assert not model.pending()
    model.stuck = True
    driver.interrupt()
    assert not model.pending()
    model.arrive(9)
    driver.interrupt()
    assert (driver.received, driver.lost) == (b"\t", 0)


def test_every_driver_has_a_model_or_runs_under_qemu() -> None:
    run = {b.uart.driver for b in load_boards() if b.tier == "emulated" and b.uart is not None}
    for path in BARE.parent.glob("*/port.toml"):
        drivers = tomllib.loads(path.read_text(encoding="utf-8")).get("uart_sources", {})
        assert set(drivers) <= run | {driver for driver, _ in MODELS}, path
