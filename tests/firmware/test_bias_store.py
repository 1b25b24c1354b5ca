"""A recogniser's bias tables: whatever arrives in whatever order, against an obvious model."""

import struct
import zlib

import numpy as np
import pytest
from edgesdk.biasing.stored import StoredTable
from edgesdk.biasing.table import Spelling, compile_table
from edgesdk.bundle.sections import BiasSection
from edgesdk.core.bias import BiasStore
from edgesdk.core.library import address, aligned_copy, aligned_zeros, load_library
from edgesdk.errors import BundleError
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.needs_cc

VOCAB, CRC = 8, 77
HEADS, ROWS, WIDTH, ADAPTER_CRC = 1, 12, 8, 99
NAMES = ["a", "b", "c", "d", "e", "ab"]
KINDS = ["tables", "attention"]
Key = tuple[str, str]  # name and kind


def make(name: str, size: int = 1, *, vocab: int = VOCAB, crc: int = CRC) -> bytes:
    spelling = Spelling((1,) * size, tuple(range(1, size + 1)))
    return compile_table(name, [spelling], size, vocab, crc).data


def make_rows(name: str, phrases: int = 1, *, crc: int = ADAPTER_CRC) -> bytes:
    row = 2 * HEADS * WIDTH
    size = 64 + row * (phrases + 1)
    head = struct.pack("<4s7I", b"ATTN", size, phrases + 1, phrases, row, crc, 0, 0)
    return head + name.encode().ljust(32, b"\0") + bytes(size - 64)


def make_kind(name: str, kind: str, size: int) -> bytes:
    return make(name, size) if kind == "tables" else make_rows(name, size)


class Opened(BiasStore):
    """A store of its own, with its section and its room."""

    def __init__(self, section: bytes | None) -> None:
        library = load_library()
        self._struct = library.struct("bias_store")
        self._section = None if section is None else aligned_copy(section)
        at, size = (
            (None, 0) if self._section is None else (address(self._section), len(section or b""))
        )
        super().__init__(address(self._struct))
        self._attention = library.struct("attention")
        self._attention[:16] = np.frombuffer(
            struct.pack("<4I", HEADS, ROWS, WIDTH, ADAPTER_CRC), np.uint8
        )
        self._check("open", at, size, VOCAB, CRC, address(self._attention))
        room = library.call("edge_bias_store_memory", self._at)
        self._room = aligned_zeros(room)
        library.call("edge_bias_store_bind", self._at, address(self._room))


class Model:
    """Names and kinds with their tables; the order is that of arrival."""

    def __init__(self, room: int, shipped: dict[Key, bytes]) -> None:
        self.room, self.shipped = room, shipped
        self.loaded: dict[Key, bytes] = {}
        self.active = set(shipped)

    def _data(self, key: Key) -> bytes:
        return self.loaded.get(key) or self.shipped[key]

    def _fits(self, active: set[Key]) -> bool:
        found = [self._data(key) for key in active if key[1] == "attention"]
        return sum(data[12] for data in found) <= ROWS - 1

    def load(self, key: Key, data: bytes) -> bool:
        if len(data) + sum(map(len, self.loaded.values())) > self.room:
            return False
        if key[1] == "attention" and data[8] > ROWS:  # could not even be used alone
            return False
        alike = [it for it in self.loaded if it[1] == key[1]]
        if key not in self.loaded and len(alike) == 4:
            return False
        before, active = dict(self.loaded), set(self.active)
        known = key in {*self.loaded, *self.shipped}
        if not known and sum(it[1] == key[1] for it in active) < 4:
            active.add(key)
        self.loaded.pop(key, None)
        self.loaded[key] = data
        if not self._fits(active):
            self.loaded = before
            return False
        self.active = active
        return True

    def clear(self, name: str) -> bool:
        gone = [key for key in self.loaded if not name or key[0] == name]
        if name and not gone:
            return False
        for key in sorted(gone, key=lambda it: it[1] == "attention"):
            del self.loaded[key]
            if key not in self.shipped or (name and not self._fits(self.active)):
                self.active.discard(key)
        return True

    def use(self, names: list[str]) -> bool:
        known = {*self.loaded, *self.shipped}
        wanted = {key for key in known if key[0] in names}
        few = all(sum(key[1] == kind for key in wanted) <= 4 for kind in KINDS)
        if len({key[0] for key in wanted}) < len(names) or not few or not self._fits(wanted):
            return False
        self.active = wanted
        return True

    def tables(self) -> list[tuple[Key, bool, bool, int]]:
        visible = [(k, False, d) for k, d in self.shipped.items() if k not in self.loaded]
        visible += [(k, True, d) for k, d in self.loaded.items()]
        return [(k, k in self.active, inside, zlib.crc32(d)) for k, inside, d in visible]


def _shown(tables: tuple[StoredTable, ...]) -> list[tuple[Key, bool, bool, int]]:
    return [((t.name, t.kind), t.active, t.in_room, t.crc) for t in tables]


_KEYS = st.tuples(st.sampled_from(NAMES), st.sampled_from(KINDS))
_ACTIONS = st.one_of(
    st.tuples(st.just("load"), _KEYS, st.integers(1, 12)),
    st.tuples(st.just("clear"), st.sampled_from(["", *NAMES])),
    st.tuples(st.just("use"), st.lists(st.sampled_from(NAMES), max_size=5)),
)


@settings(max_examples=200)
@given(
    st.integers(0, 60),
    st.lists(_KEYS, max_size=5, unique=True),
    st.lists(_ACTIONS, max_size=25),
)
def test_any_loads_switches_and_clears_then_equal_the_model(
    room: int,
    shipped: list[Key],
    actions: list[tuple],  # type: ignore[type-arg]
) -> None:
    shipped = [key for kind in KINDS for key in [k for k in shipped if k[1] == kind][:3]]
    tables = {key: make_kind(*key, 3) for key in shipped}
    store = Opened(BiasSection(16 * room, tuple(tables.values())).encode())
    model = Model(16 * room, tables)
    for action, *arguments in actions:
        if action == "load":
            arguments[1] = make_kind(*arguments[0], arguments[1])
        expected = getattr(model, action)(*arguments)
        try:
            getattr(store, action)(*(arguments[1:] if action == "load" else arguments))
            done = True
        except BundleError:
            done = False
        assert done == expected
        stored = store.stored
        assert _shown(stored.tables) == model.tables()
        assert stored.used_bytes == sum(map(len, model.loaded.values())) <= stored.room_bytes


def test_transfer_that_is_cut_off_damaged_or_foreign_then_leaves_the_old_table() -> None:
    store = Opened(BiasSection(512).encode())
    old, new = make("a", 2), make("a", 5)
    store.load(old)
    before = store.stored

    def refused(reason: str, *, crc: int | None = None, data: bytes = new, cut: int = 0) -> None:
        store.begin(len(data), zlib.crc32(data) if crc is None else crc)
        store.data(0, data[: len(data) - cut])
        with pytest.raises(BundleError, match=reason):
            store.end()
        assert store.stored == before

    refused("data ends before", cut=1)
    refused("checksum", crc=1)
    refused("another model", data=make("a", 5, vocab=VOCAB + 1))
    refused("another model", data=make("a", 5, crc=CRC + 1))
    refused("not an edge image", data=bytes(96))
    refused("data ends before", data=b"")
    with pytest.raises(BundleError, match="not possible in this state"):
        store.data(0, b"x")
    with pytest.raises(BundleError, match="memory given is too small"):
        store.begin(513 - len(old), 0)
    store.begin(len(new), zlib.crc32(new))
    store.data(0, new[:10])
    for offset, data in ((11, b"x"), (9, b"x"), (10, new)):
        with pytest.raises(BundleError, match="argument out of range"):
            store.data(offset, data)
    store.data(10, new[10:])
    store.end()
    assert store.stored.tables[0].crc == zlib.crc32(new)


def test_clear_during_a_transfer_then_ends_it() -> None:
    store = Opened(BiasSection(1024).encode())
    store.load(make("a"))
    store.load(make("b"))
    store.begin(10, 0)
    with pytest.raises(BundleError, match="argument out of range"):
        store.clear("c")
    store.data(0, b"12345")
    store.clear("a")
    with pytest.raises(BundleError, match="not possible in this state"):
        store.data(5, b"67890")


def test_names_that_are_cut_short_then_are_refused() -> None:
    store = Opened(BiasSection(1024).encode())
    store.load(make("ab"))
    for names in (
        b"\x03ab",
        b"\x02a",
        b"\x01a",
        b"\x02abc",
        b"\x00",
        b"\x28" + b"ab".ljust(40, b"\0"),
    ):
        with pytest.raises(BundleError, match="argument out of range"):
            store._check("use", names, len(names))
    assert store.stored.tables[0].active
    store.use([])
    assert not store.stored.tables[0].active


def test_section_with_a_bad_field_then_is_refused() -> None:
    good = BiasSection(64, (make("a"), make("b"))).encode()
    assert [t.name for t in Opened(good).stored.tables] == ["a", "b"]
    assert Opened(None).stored.tables == ()
    bad = [
        good[:-1],
        good[:15],
        good[:20],
        good + bytes(16),
        BiasSection(8, ()).encode(),
        BiasSection(1 << 25, ()).encode(),
        BiasSection(0, (make("a"), make("a"))).encode(),
        BiasSection(0, tuple(make(name) for name in "abcde")).encode(),
        BiasSection(0, (make("a", vocab=9),)).encode(),
        good[:8] + b"\1" + good[9:],
    ]
    for section in bad:
        with pytest.raises(BundleError, match="bias table: "):
            Opened(section)
