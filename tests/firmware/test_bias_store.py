"""A recogniser's bias tables: whatever arrives in whatever order, against an obvious model."""

import zlib

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
NAMES = ["a", "b", "c", "d", "e", "ab"]


def make(name: str, size: int = 1, *, vocab: int = VOCAB, crc: int = CRC) -> bytes:
    spelling = Spelling((1,) * size, tuple(range(1, size + 1)))
    return compile_table(name, [spelling], size, vocab, crc).data


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
        self._check("open", at, size, VOCAB, CRC)
        room = library.call("edge_bias_store_memory", self._at)
        self._room = aligned_zeros(room)
        library.call("edge_bias_store_bind", self._at, address(self._room))


class Model:
    """Names with their tables; the order is that of arrival."""

    def __init__(self, room: int, shipped: dict[str, bytes]) -> None:
        self.room, self.shipped = room, shipped
        self.loaded: dict[str, bytes] = {}
        self.active = set(shipped)

    def load(self, name: str, data: bytes) -> bool:
        if len(data) + sum(map(len, self.loaded.values())) > self.room:
            return False
        if name not in self.loaded and len(self.loaded) == 4:
            return False
        if name not in {*self.loaded, *self.shipped} and len(self.active) < 4:
            self.active.add(name)
        self.loaded.pop(name, None)
        self.loaded[name] = data
        return True

    def clear(self, name: str) -> bool:
        gone = [name] if name else list(self.loaded)
        if name and name not in self.loaded:
            return False
        for it in gone:
            del self.loaded[it]
            if it not in self.shipped:
                self.active.discard(it)
        return True

    def use(self, names: list[str]) -> bool:
        known = set(names) <= {*self.loaded, *self.shipped}
        if not known or len(set(names)) < len(names) or len(names) > 4:
            return False
        self.active = set(names)
        return True

    def tables(self) -> list[tuple[str, bool, bool, int]]:
        visible = [(n, False, d) for n, d in self.shipped.items() if n not in self.loaded]
        visible += [(n, True, d) for n, d in self.loaded.items()]
        return [(n, n in self.active, inside, zlib.crc32(d)) for n, inside, d in visible]


def _shown(tables: tuple[StoredTable, ...]) -> list[tuple[str, bool, bool, int]]:
    return [(t.name, t.active, t.in_room, t.crc) for t in tables]


_ACTIONS = st.one_of(
    st.tuples(st.just("load"), st.sampled_from(NAMES), st.integers(1, 12)),
    st.tuples(st.just("clear"), st.sampled_from(["", *NAMES])),
    st.tuples(st.just("use"), st.lists(st.sampled_from(NAMES), max_size=5)),
)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 60),
    st.lists(st.sampled_from(NAMES), max_size=4, unique=True),
    st.lists(_ACTIONS, max_size=25),
)
def test_any_loads_switches_and_clears_then_equal_the_model(
    room: int,
    shipped: list[str],
    actions: list[tuple],  # type: ignore[type-arg]
) -> None:
    tables = {name: make(name, 3) for name in shipped}
    store = Opened(BiasSection(16 * room, tuple(tables.values())).encode())
    model = Model(16 * room, tables)
    for kind, *arguments in actions:
        if kind == "load":
            arguments[1] = make(arguments[0], arguments[1])
        expected = getattr(model, kind)(*arguments)
        try:
            getattr(store, kind)(*(arguments[1:] if kind == "load" else arguments))
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
