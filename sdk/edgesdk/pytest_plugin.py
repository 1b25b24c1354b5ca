"""pytest on boards: fixtures `board`, `device` and `recogniser` over all desks of a bench.

What keeps a test from a result (nothing flashed, nobody there, silence, noise) is an error, and
only a wrong result is a failure; docs/bench.md has the whole contract. What takes long to import
is imported where a bench was chosen.
"""

import fnmatch
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgesdk.bench.desk import Bench
    from edgesdk.bench.recogniser import Oracle, Recogniser
    from edgesdk.bench.station import Station
    from edgesdk.board import Board
    from edgesdk.bundle import Bundle
    from edgesdk.link.device import Device

BUDGETS = {
    "latency_p95_us": "95th percentile of the work per window of audio, in microseconds",
    "arena_bytes": "bytes of the largest graph's arena",
    "wer": "word errors per hundred words",
}
RETRIED = "retried"  # pytest's word for it, in the summary
FACTS: "pytest.StashKey[dict[str, str]]" = pytest.StashKey()
AGAIN: "pytest.StashKey[bool]" = pytest.StashKey()  # whether a second try may end otherwise
BENCH: "pytest.StashKey[Bench | None]" = pytest.StashKey()
ORACLE: "pytest.StashKey[Oracle]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which boards."""
    group = parser.getgroup("edgesdk", "boards to test on (edgesdk)")
    group.addoption("--edge-bench", metavar="FILE", help="a bench file: run on all its desks")
    group.addoption("--edge-boards", metavar="A,B", help="run on these boards, emulated")
    group.addoption("--edge-bundle", metavar="FILE", help="the .edge file for all desks")
    group.addoption("--edge-desk", metavar="NAME", action="append", help="only this desk")
    group.addoption("--edge-label", metavar="LABEL", action="append", help="only labelled desks")


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers; stop in one line at a bench that is wrong, before any test is looked at."""
    for name, about in BUDGETS.items():
        config.addinivalue_line(
            "markers", f"{name}(most, board='*'): budget of a test on a matching board: {about}"
        )
    _bench(config)


def _bench(config: pytest.Config) -> "Bench | None":
    """The bench that the options choose; None where they choose none."""
    if BENCH not in config.stash:
        config.stash[BENCH] = _load_bench(config)
    return config.stash[BENCH]


def _load_bench(config: pytest.Config) -> "Bench | None":
    option = config.getoption
    file, boards = option("edge_bench"), option("edge_boards")
    if not file and not boards:
        return None
    if file and boards:
        raise pytest.UsageError("--edge-bench and --edge-boards exclude each other; give one")
    from edgesdk.bench.desk import emulated_bench, load_bench
    from edgesdk.errors import EdgeError

    try:
        names = [name for name in (boards or "").split(",") if name]
        bench = load_bench(Path(file)) if file else emulated_bench(names)
        return bench.choose(option("edge_desk") or (), option("edge_label") or ())
    except EdgeError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that needs a board runs on every desk."""
    if "edge_desk" not in metafunc.fixturenames:
        return
    bench = _bench(metafunc.config)
    if bench is None:
        return
    desks = [
        pytest.param(
            desk,
            id=f"@{desk.name}",
            marks=[pytest.mark.skip(reason=f"{desk.where} is disabled: {desk.disabled}")]
            if desk.disabled is not None
            else [],
        )
        for desk in bench.desks
    ]
    metafunc.parametrize("edge_desk", desks, indirect=True, scope="session")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With xdist, all tests of a desk go to one worker, in order."""
    bench = _bench(config)
    if bench is None or config.getoption("dist") not in ("load", "loadgroup"):
        return None
    from xdist.scheduler import LoadScopeScheduling

    names = [desk.name for desk in bench.desks]

    class ByDesk(LoadScopeScheduling):  # type: ignore[misc]
        """Not loadgroup: with pytest 9.2, xdist 3.8 finds no groups."""

        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid, names)

    return ByDesk(config, log)


def scope_of(nodeid: str, names: Sequence[str]) -> str:
    """What all tests of a desk share; of any other test its own id.

    An id has `@NAME` and perhaps more behind a dash. Where names begin alike, the shortest one that
    fits stands for all of them, so that a desk never has two scopes.
    """
    _, found, rest = nodeid.rpartition("[")[2].partition("@")
    at = f"{rest.removesuffix(']')}-"
    fitting = [name for name in names if found and at.startswith(f"{name}-")]
    return min(fitting, key=len) if fitting else nodeid


def _desk_name(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    desk = None if callspec is None else callspec.params.get("edge_desk")
    return getattr(desk, "name", None)


@pytest.fixture(scope="session")
def edge_desk(request: pytest.FixtureRequest) -> "Iterator[Station]":
    """The desk of this test, which others may not use meanwhile."""
    from edgesdk.bench.station import Station
    from edgesdk.errors import BenchError

    desk = getattr(request, "param", None)
    if desk is None:
        raise BenchError("no board to test on; give --edge-bench FILE or --edge-boards A,B")
    station = Station(desk, "pytest")
    yield station
    station.close()


@pytest.fixture(scope="session")
def edge_bundle(request: pytest.FixtureRequest, edge_desk: "Station") -> "Bundle | None":
    """The bundle for the desk: --edge-bundle, or its own; redefine it to make one in a test."""
    from edgesdk.bundle import load_bundle

    path = request.config.getoption("edge_bundle") or edge_desk.desk.task.bundle
    return None if path is None else load_bundle(Path(path))


@pytest.fixture
def board(edge_desk: "Station") -> "Board":
    """The board of the desk."""
    return edge_desk.desk.board


@pytest.fixture
def device(edge_desk: "Station", edge_bundle: "Bundle | None") -> "Iterator[Device]":
    """The board of the desk, running, with the bundle on it; an emulated one starts anew."""
    with edge_desk.open(edge_bundle) as opened:
        yield opened


@pytest.fixture
def recogniser(
    request: pytest.FixtureRequest, device: "Device", edge_bundle: "Bundle | None"
) -> "Recogniser":
    """The recogniser on the device; what it hears is compared with the laptop."""
    from edgesdk.bench.recogniser import Oracle, Recogniser
    from edgesdk.errors import BenchError

    if edge_bundle is None:
        raise BenchError("no bundle to test; give --edge-bundle FILE, or name it in the bench file")
    oracle = request.config.stash.setdefault(ORACLE, Oracle())
    return Recogniser(device, edge_bundle, oracle)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a test that passed to its budgets."""
    result = yield
    if _uses_desk(item):
        _check_budgets(item)
    return result


def _uses_desk(item: pytest.Item) -> bool:
    return "edge_desk" in getattr(item, "fixturenames", ())


def _check_budgets(item: pytest.Item) -> None:
    from edgesdk.bench.recogniser import check_budgets

    arguments: Mapping[str, Any] = getattr(item, "funcargs", {})
    used = arguments.get("recogniser")
    figures = {} if used is None else used.figures()
    facts = item.stash.setdefault(FACTS, {})
    facts.update((name, f"{value:.10g}") for name, value in figures.items())
    budgets = dict(_budgets(item, arguments["edge_desk"].desk.board.name))
    check_budgets(budgets, figures)


def _budgets(item: pytest.Item, board_name: str) -> Iterator[tuple[str, float]]:
    """The budgets of a test on a board; of several for one figure, the nearest to the test."""
    for name in BUDGETS:
        for marker in item.iter_markers(name):
            if fnmatch.fnmatchcase(board_name, marker.kwargs.get("board", "*")):
                yield name, _most(marker)
                break


def _most(marker: pytest.Mark) -> float:
    from edgesdk.errors import BenchError

    if len(marker.args) != 1 or not isinstance(marker.args[0], int | float):
        raise BenchError(f"marker {marker.name}{marker.args}: takes one number, the most allowed")
    return float(marker.args[0])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what became of a test on a desk: verdict and cause."""
    report = yield
    if _uses_desk(item) and report.failed and call.excinfo is not None:
        _judge(item, report, call.excinfo.value)
    return report


def _judge(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    from edgesdk.bench.verdict import Verdict, is_retried, one_line, verdict_of
    from edgesdk.errors import EdgeError

    station = getattr(item, "funcargs", {}).get("edge_desk")
    if station is not None:
        station.suspect = True
    if isinstance(error, EdgeError):
        verdict = verdict_of(error)
    else:
        verdict = Verdict.FAILED if report.when == "call" else Verdict.BAD_INPUT
    cause = one_line(str(error).partition("\n")[0] or type(error).__name__)
    facts = item.stash.setdefault(FACTS, {})
    if "verdict" not in facts:  # what follows a fault is its consequence
        facts.update(verdict=verdict.value, cause=cause)
        item.stash[AGAIN] = isinstance(error, EdgeError) and is_retried(error)
    if isinstance(error, EdgeError):
        where = f"{station.desk.where}: " if station is not None else ""
        if item.config.getoption("verbose") > 0:
            report.sections.append(("traceback", str(report.longrepr)))
        report.longrepr = f"{verdict}: {where}{cause}"
    if verdict.is_error and report.when == "call":
        report.when = "setup"  # the only word that makes it an error, for JUnit too


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test on a desk gets a second try where the first says nothing of the board; both show."""
    if not _uses_desk(item):
        return None
    from _pytest.runner import runtestprotocol

    ihook = item.ihook
    ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    item.stash[FACTS] = {}
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if _is_retried(item):
        first = item.stash[FACTS]
        shown = next(report for report in reports if report.failed)
        shown.outcome = RETRIED  # type: ignore[assignment]
        ihook.pytest_runtest_logreport(report=shown)
        first_try = f"{first['verdict']}: {first['cause']}"
        item.stash[FACTS] = {"first_try": first_try}
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    ended = next((it.outcome for it in reports if it.outcome != "passed"), "passed")
    facts = {"desk": _desk_name(item) or "none", "verdict": ended, **item.stash[FACTS]}
    reports[-1].user_properties = [*reports[-1].user_properties, *facts.items()]
    for report in reports:
        ihook.pytest_runtest_logreport(report=report)
    ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _is_retried(item: pytest.Item) -> bool:
    return item.stash.get(AGAIN, False) and not item.session.shouldstop


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, object] | None:
    """How a first try is shown that was followed by a second."""
    if report.outcome == RETRIED:
        return RETRIED, "R", ("RETRY", {"yellow": True})
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The causes of all first tries."""
    retried = terminalreporter.stats.get(RETRIED, [])
    if retried:
        terminalreporter.section("tried again", yellow=True)
    for report in retried:
        terminalreporter.write_line(f"{report.nodeid}: {report.longrepr}")
