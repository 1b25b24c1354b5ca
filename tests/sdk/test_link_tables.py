"""The payload of BIAS_TABLES, packed by hand, and as any bytes."""

import struct

import pytest
from edgesdk.biasing.stored import StoredTable, StoredTables, encode_names
from edgesdk.link.payload import PayloadError
from edgesdk.link.tables import read_bias_tables
from hypothesis import given
from hypothesis import strategies as st

PAYLOAD = (
    struct.pack("<IIB", 512, 96, 3)
    + struct.pack("<B4I", 3, 2, 1, 96, 0xCAFE)
    + b"\x08contacts"
    + struct.pack("<B4I", 0, 9, 4, 192, 7)
    + b"\x01d"
)


def test_bias_tables_then_are_those_of_the_payload() -> None:
    tables = (
        StoredTable("contacts", True, True, 2, 1, 96, 0xCAFE),
        StoredTable("d", False, False, 9, 4, 192, 7),
    )
    assert read_bias_tables(PAYLOAD) == (3, StoredTables(512, 96, tables))
    assert encode_names(["contacts", "d"]) == b"\x08contacts\x01d"


@given(st.integers(0, len(PAYLOAD) - 1) | st.binary(max_size=80))
def test_bias_tables_cut_short_or_of_any_bytes_then_raise_nothing_else(what: int | bytes) -> None:
    payload = PAYLOAD[:what] if isinstance(what, int) else what
    try:
        total, stored = read_bias_tables(payload)
    except PayloadError:
        return
    assert 0 <= total <= 255
    assert all(0 <= table.crc < 1 << 32 for table in stored.tables)


def test_bias_tables_with_half_a_table_then_are_refused() -> None:
    with pytest.raises(PayloadError, match="BIAS_TABLES message ends after"):
        read_bias_tables(PAYLOAD[:-1])
