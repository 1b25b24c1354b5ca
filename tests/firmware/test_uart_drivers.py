"""Every UART driver of the boards: all bytes through, overruns counted, the baud rate right."""

import pytest
from edgesdk.board import load_boards
from edgesdk.board_setup import Uart
from uart_model import BARE, Driver, UartModel, compile_driver
from uart_model_nxp import Lpuart
from uart_model_stm32 import Stm32V1, Stm32V2

pytestmark = pytest.mark.needs_cc

MODELS: dict[str, type[UartModel]] = {"lpuart": Lpuart, "stm32_v1": Stm32V1, "stm32_v2": Stm32V2}
BOARDS = {
    board.name: board.uart
    for board in load_boards()
    if board.uart is not None and board.uart.driver in MODELS
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
    folder = tmp_path_factory.mktemp(uart.driver)
    library = compile_driver(BARE / f"uart_{uart.driver}.c", folder, facts)
    made = Driver(library, uart.base, MODELS[uart.driver](uart.clock_hz))
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
    assert driver.lost == 1
    assert not model.pending()
    model.arrive(77)
    driver.interrupt()
    assert driver.received[-1] == 77
    assert (len(driver.received), driver.lost) == (model.HOLDS + 1, 1)


def test_a_byte_that_comes_during_the_interrupt_is_not_forgotten(driver: Driver) -> None:
    model = driver.model
    driver.received.clear()
    driver.lost = 0
    model.arrive(5)
    driver.meanwhile = [6]
    driver.interrupt()
    assert bytes(driver.received) in (b"\5\6", b"\5")
    assert len(driver.received) + driver.lost == 2
    assert not model.pending()
