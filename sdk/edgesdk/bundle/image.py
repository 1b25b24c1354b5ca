"""Bytes of an .edge image <-> its sections, with every check the device makes and its digest."""

import hashlib
import struct
import zlib
from collections.abc import Mapping

from edgesdk.bundle.layout import (
    ENTRY_BYTES,
    HEADER_BYTES,
    MAGIC,
    MAX_SECTIONS,
    ROUNDING_TWICE,
    VERSION,
    align,
    for_host,
)
from edgesdk.errors import BundleError

_AGAIN = "copy the file again, or convert the model again"


def device_digest(sections: Mapping[str, bytes]) -> bytes:
    """The 8 bytes that identify the device sections, in their order."""
    digest = hashlib.sha256()
    for tag, payload in sections.items():
        if not for_host(tag):
            digest.update(tag.encode("ascii") + struct.pack("<I", len(payload)) + payload)
    return digest.digest()[:8]


def pack_image(sections: Mapping[str, bytes]) -> bytes:
    """The image that holds `sections` in the given order.

    Raises:
        BundleError: none or too many sections, a tag that is not four ASCII letters, or too large.
    """
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise BundleError(f"{len(sections)} sections do not make an image (1 to {MAX_SECTIONS})")
    offset = align(HEADER_BYTES + ENTRY_BYTES * len(sections))
    table = body = b""
    pieces = []
    for tag, payload in sections.items():
        if len(tag) != 4 or not (tag.isascii() and tag.isalnum()):
            raise BundleError(f"section tag {tag!r} is not four ASCII letters")
        table += struct.pack("<4sIII", tag.encode(), offset, len(payload), zlib.crc32(payload))
        pieces.append(payload.ljust(align(len(payload)), b"\0"))
        offset += len(pieces[-1])
    if offset >= 1 << 31:
        raise BundleError(f"{offset} bytes are too many for an image (2 GiB)")
    head = struct.pack("<4sHHII", MAGIC, VERSION, len(sections), offset, ROUNDING_TWICE)
    head += device_digest(sections) + bytes(4)
    head += struct.pack("<I", zlib.crc32(table, zlib.crc32(head)))
    body = (head + table).ljust(align(len(head) + len(table)), b"\0")
    return body + b"".join(pieces)


def unpack_image(data: bytes, source: str) -> dict[str, bytes]:
    """Tag -> payload of an image, in file order; `source` names it in errors.

    Raises:
        BundleError: not an image, another version, truncated, or damaged.
    """
    if len(data) < HEADER_BYTES or data[:4] != MAGIC:
        raise BundleError(
            f"{source}: not an .edge image (it does not start with EDGE); "
            "give a model.edge that edgesdk convert wrote"
        )
    version, count, total, rounding = struct.unpack_from("<HHII", data, 4)
    if version != VERSION:
        raise BundleError(
            f"{source}: image version {version}, this edgesdk reads version {VERSION}; "
            "convert the model again"
        )
    if total > len(data):
        raise BundleError(f"{source}: truncated, {len(data)} of {total} bytes; copy it again")
    table_end = HEADER_BYTES + ENTRY_BYTES * count
    if total < len(data):
        raise BundleError(f"{source}: {len(data) - total} bytes follow the image's end; {_AGAIN}")
    if not 1 <= count <= MAX_SECTIONS or total % 16 or total < table_end:
        raise BundleError(f"{source}: damaged header ({count} sections, {total} bytes); {_AGAIN}")
    crc = zlib.crc32(data[HEADER_BYTES:table_end], zlib.crc32(data[:28]))
    if crc != struct.unpack_from("<I", data, 28)[0]:
        raise BundleError(f"{source}: damaged, the header's checksum does not match; {_AGAIN}")
    if rounding != ROUNDING_TWICE or data[24:28] != bytes(4):
        raise BundleError(
            f"{source}: rounding {rounding} is not supported, only 2 (twice); "
            "convert the model again"
        )
    sections = _sections(data, count, table_end, source)
    if device_digest(sections) != data[16:24]:
        raise BundleError(
            f"{source}: damaged, the digest does not match the device sections; {_AGAIN}"
        )
    return sections


def _sections(data: bytes, count: int, end: int, source: str) -> dict[str, bytes]:
    sections: dict[str, bytes] = {}
    for i in range(count):
        raw, offset, size, crc = struct.unpack_from("<4sIII", data, HEADER_BYTES + ENTRY_BYTES * i)
        tag = raw.decode("ascii", "replace")
        if offset % 16 or offset < end or offset + size > len(data) or tag in sections:
            raise BundleError(
                f"{source}: section {tag!r} lies outside the image or comes twice; {_AGAIN}"
            )
        payload = data[offset : offset + size]
        if zlib.crc32(payload) != crc:
            raise BundleError(
                f"{source}: damaged, the checksum of section {tag!r} does not match; {_AGAIN}"
            )
        _check_gap(data[end:offset], source)
        sections[tag] = payload
        end = offset + size
    _check_gap(data[end:], source)
    return sections


def _check_gap(gap: bytes, source: str) -> None:
    if gap.strip(b"\0"):
        raise BundleError(f"{source}: damaged, what lies between its sections is not zero")
