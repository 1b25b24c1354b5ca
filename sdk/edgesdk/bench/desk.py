"""The bench file: which board lies on which desk, and how it is reached (docs/bench.md)."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgesdk.board import Board, load_board
from edgesdk.errors import BenchError, BoardError, EdgeError
from edgesdk.flash.write import VENDOR, choose_method
from edgesdk.toml_table import Table, parse_toml

SCHEMA = 1
PAGE = "docs/bench.md"
EMULATED = "emulated"
DEFAULT = "default"  # the method that a board's file names first
BUDGETS = ("latency_p95_us", "arena_bytes", "wer")
PLACEHOLDERS = ("board", "firmware", "image", "port", "probe")
LIMIT_S = 300.0
LOCK_WAIT_S = 600.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class UsbPort:
    """A USB serial port by what stays when it is plugged in again; None matches anything."""

    vid: int | None = None
    pid: int | None = None
    serial: str | None = None
    location: str | None = None

    def __str__(self) -> str:
        named = {"vid": self.vid, "pid": self.pid}
        parts = [f"{key} 0x{value:04x}" for key, value in named.items() if value is not None]
        texts = {"serial": self.serial, "location": self.location}
        return ", ".join([*parts, *(f"{k} {v}" for k, v in texts.items() if v is not None)])


@dataclass(frozen=True)
class LabgridPort:
    """The serial port of a place at a labgrid coordinator, by default LG_COORDINATOR's."""

    place: str
    coordinator: str | None = None
    resource: str | None = None  # where a place has several serial ports

    def __str__(self) -> str:
        at = f" at {self.coordinator}" if self.coordinator is not None else ""
        return f"labgrid place {self.place!r}{at}"


@dataclass(frozen=True)
class Task:
    """What `edgesdk hil` runs on a desk, and the most that may come out; rooms for overriding."""

    bundle: Path | None = None
    clips: tuple[Path, ...] = ()
    expect: Path | None = None
    budget: Mapping[str, float] = field(default_factory=dict)

    def over(self, other: "Task") -> "Task":
        """This task, with what it leaves open from `other`."""
        return Task(
            bundle=self.bundle or other.bundle,
            clips=self.clips or other.clips,
            expect=self.expect or other.expect,
            budget={**other.budget, **self.budget},
        )


@dataclass(frozen=True)
class Commands:
    """The user's own programs for a desk, each a list of arguments, empty where there is none."""

    flash: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    power: tuple[str, ...] = ()


@dataclass(frozen=True)
class Desk:
    """One board and the way to it.

    `port` is a pyserial URL, a USB identity, a labgrid place or EMULATED.
    """

    name: str
    board: Board
    port: str | UsbPort | LabgridPort
    bench: Path | None = None
    probe: str | None = None
    commands: Commands = Commands()
    method: str | None = None  # how the board's own file says that it is flashed
    labels: tuple[str, ...] = ()
    disabled: str | None = None
    timeout_s: float | None = None  # longest silence; None: the link's own
    limit_s: float = LIMIT_S  # for one test, from power-on to its end
    lock_wait_s: float = LOCK_WAIT_S
    task: Task = Task()

    @property
    def emulated(self) -> bool:
        """Whether an emulator or a process stands on it."""
        return self.port == EMULATED

    @property
    def key(self) -> str:
        """A file name for what is one thing in the world: a port; or an emulated desk."""
        if self.emulated:
            text = f"{self.bench and self.bench.resolve()}#{self.name}"
        else:
            text = str(self.port)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def where(self) -> str:
        """The desk in messages."""
        return f"desk {self.name!r}"


@dataclass(frozen=True)
class Bench:
    """All desks of one file, or emulated ones made from names of boards."""

    desks: tuple[Desk, ...]
    source: str

    def choose(self, names: Sequence[str] = (), labels: Sequence[str] = ()) -> "Bench":
        """The desks of these names that carry all of these labels; no names mean all.

        Raises:
            BenchError: no such desk, or none is left.
        """
        known = [desk.name for desk in self.desks]
        for name in names:
            if name not in known:
                raise BenchError(f"{self.source}: no desk {name!r}; desks: {', '.join(known)}")
        kept = [
            desk
            for desk in self.desks
            if (not names or desk.name in names) and set(labels) <= set(desk.labels)
        ]
        if not kept:
            raise BenchError(
                f"{self.source}: no desk carries the labels {', '.join(labels)}; check the labels"
            )
        return replace(self, desks=tuple(kept))


def emulated_bench(boards: Iterable[str]) -> Bench:
    """A desk for each of these boards, in an emulator; names or board files.

    Raises:
        BoardError: a board is unknown.
        BenchError: a board has no emulator, or comes twice.
    """
    desks = []
    for name in boards:
        board = load_board(name)
        desks.append(_checked(Desk(board.name, board, EMULATED), f"board {board.name!r}"))
    if not desks:
        raise BenchError("no board was named; name some, separated by commas")
    _check_apart(desks, "boards")
    return Bench(tuple(desks), "the boards named")


def load_bench(path: Path) -> Bench:
    """The bench of a file.

    Raises:
        BenchError: it cannot be read, or contradicts itself.
    """
    return _read_bench(parse_toml(path, BenchError), path)


def _read_bench(values: dict[str, Any], path: Path) -> Bench:
    top = Table(values, path.name, BenchError, PAGE)
    schema = top.take("schema", int)
    if schema != SCHEMA:
        raise BenchError(f"{path.name}: schema = {schema}, this edgesdk reads {SCHEMA}; update it")
    shared = top.optional("run", lambda table: _read_task(table, path)) or Task()
    wait_s = _seconds(top, "lock_wait_s", LOCK_WAIT_S)
    desks = [_read_desk(table, path, shared, wait_s) for table in top.tables("desk")]
    top.finish()
    if not desks:
        raise BenchError(f"{path.name}: holds no [[desk]]; add one ({PAGE})")
    _check_apart(desks, path.name)
    return Bench(tuple(desks), path.name)


def _read_desk(table: Table, path: Path, shared: Task, lock_wait_s: float) -> Desk:
    name = table.take("name", str)
    if not NAME.fullmatch(name):
        raise BenchError(
            f"{table.where}: name = {name!r} must consist of letters, digits, '.', '_' and '-'"
        )
    table.where = f"{path.name} desk {name!r}"
    task = table.optional("run", lambda inner: _read_task(inner, path)) or Task()
    board = _read_board(table, path)
    method = _read_method(table, board)
    desk = Desk(
        name=name,
        board=board,
        port=_read_port(table),
        bench=path,
        probe=table.maybe("probe", str),
        commands=Commands(
            () if method else _read_command(table, "flash"),
            *(_read_command(table, key) for key in ("reset", "power")),
        ),
        method=method,
        labels=table.texts("labels", ()),
        disabled=table.maybe("disabled", str),
        timeout_s=_seconds(table, "timeout_s", None),
        limit_s=_seconds(table, "limit_s", LIMIT_S) or LIMIT_S,
        lock_wait_s=lock_wait_s,
        task=task.over(shared),
    )
    table.finish()
    return _checked(desk, table.where)


def _read_board(table: Table, path: Path) -> Board:
    name = table.take("board", str)
    is_file = name.endswith(".toml") or "/" in name
    try:
        return load_board(path.parent / name if is_file else name)
    except BoardError as error:
        raise BenchError(f"{table.where}: {error}") from error


def _read_port(table: Table) -> str | UsbPort | LabgridPort:
    value = table.values.get("port")
    if not isinstance(value, dict):
        text = str(table.take("port", str))
        if text != EMULATED and get_close_matches(text, [EMULATED], cutoff=0.8):
            table.fault("port", f"port = {text!r} is no port; did you mean {EMULATED!r}?")
        return text
    inner = table.table("port")
    if "labgrid" in value:
        place = LabgridPort(
            place=inner.take("labgrid", str),
            coordinator=inner.maybe("coordinator", str),
            resource=inner.maybe("resource", str),
        )
        inner.finish()
        return place
    port = UsbPort(
        vid=inner.maybe("vid", int),
        pid=inner.maybe("pid", int),
        serial=inner.maybe("serial", str),
        location=inner.maybe("location", str),
    )
    inner.finish()
    if port == UsbPort():
        raise BenchError(f"{table.where}: port is empty; give vid, pid, serial or location")
    return port


def _read_method(table: Table, board: Board) -> str | None:
    """The method that `flash` names, which stands for a command of the user's own."""
    method = table.values.get("flash")
    if not isinstance(method, str):
        return None
    table.known.append("flash")
    if board.flash is None:
        raise BenchError(f"{table.where}: {board.name} has no [flash]; leave flash out")
    try:
        method = choose_method(board, None if method == DEFAULT else method)
    except EdgeError as error:
        raise BenchError(f"{table.where}: {error}") from error
    if method == VENDOR:
        raise BenchError(
            f"{table.where}: {board.name} is written with its maker's tool; give flash a command"
        )
    return method


def _read_command(table: Table, key: str) -> tuple[str, ...]:
    command = table.texts(key, ())
    if not command and key in table.values:
        raise BenchError(f"{table.where}: {key} = [] names no program; add it or remove the key")
    for name in re.findall(r"\{(\w+)\}", " ".join(command)):
        if name not in PLACEHOLDERS:
            raise BenchError(
                f"{table.where}: {key} has the placeholder {{{name}}}, which is none of "
                f"{', '.join(PLACEHOLDERS)}"
            )
    return command


def _read_task(table: Table, path: Path) -> Task:
    def place(text: str | None) -> Path | None:
        return None if text is None else path.parent / text

    task = Task(
        bundle=place(table.maybe("bundle", str)),
        clips=tuple(path.parent / clip for clip in table.texts("clips", ())),
        expect=place(table.maybe("expect", str)),
        budget=table.optional("budget", _read_budget) or {},
    )
    table.finish()
    return task


def _read_budget(table: Table) -> dict[str, float]:
    found = {name: _number(table, name) for name in BUDGETS}
    table.finish()
    return {name: value for name, value in found.items() if value is not None}


def _number(table: Table, key: str) -> float | None:
    """A number of at least 0, whole or not; None where it is missing."""
    kind = type(table.values.get(key))
    value = table.maybe(key, kind if kind in (int, float) else float)
    if value is not None and not 0 <= value < float("inf"):
        raise BenchError(f"{table.where}: {key} = {value} must be a number of at least 0")
    return None if value is None else float(value)


def _seconds(table: Table, key: str, default: Any) -> Any:
    value = _number(table, key)
    if value == 0:
        raise BenchError(f"{table.where}: {key} = 0 leaves no time; give seconds above 0")
    return default if value is None else value


def _checked(desk: Desk, where: str) -> Desk:
    if desk.emulated and desk.board.emulator is None:
        raise BenchError(f"{where}: {desk.board.name} has no emulator; name its port")
    if desk.emulated and (desk.method or desk.commands != Commands()):
        raise BenchError(f"{where}: an emulated board takes no flash, reset or power command")
    return desk


def _check_apart(desks: Sequence[Desk], where: str) -> None:
    """No name twice, no port twice: a result has to say where it came from."""
    for one, other in itertools.combinations(desks, 2):
        if one.name == other.name:
            raise BenchError(f"{where}: two desks are called {one.name!r}; rename one")
        if not one.emulated and one.port == other.port:
            raise BenchError(
                f"{where}: {one.where} and {other.where} share the port {one.port}; correct one"
            )
