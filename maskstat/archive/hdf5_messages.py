"""What the messages of an HDF5 object header say: extents, types, filters, layout, attributes.

Only the versions that follow superblock version 3 are known; everything else is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from maskstat.archive.hdf5_blocks import UNDEFINED, Cursor, broken

__all__ = [
    "SHARED",
    "AttributeFacts",
    "LinkFacts",
    "Message",
    "Space",
    "StoredLayout",
    "parse_attribute",
    "parse_dtype",
    "parse_filters",
    "parse_layout",
    "parse_link",
    "parse_space",
]

SHARED = 0x02
"""The message's flag that its content lies elsewhere."""

_RANK = 32
_CHUNKED = 2
_NULL = 2
_HARD = 0
_TYPES = {
    # Class and version, three bytes of bits, size; then bit offset, precision, and for floating
    # point where exponent and mantissa lie, and the exponent's bias.
    "u1": "10000000 01000000 0000 0800",
    "u2": "10000000 02000000 0000 1000",
    "i8": "10080000 08000000 0000 4000",
    "f4": "11201f00 04000000 0000 2000 17 08 00 17 7f000000",
    "f8": "11203f00 08000000 0000 4000 34 0b 00 34 ff030000",
}
_BY_CODE = {bytes.fromhex(code): name for name, code in _TYPES.items()}
_TEXT = bytes.fromhex("13010000")
"""Fixed-length text, padded with null bytes, ASCII."""


class Message(NamedTuple):
    """One message of an object header."""

    kind: int
    flags: int
    data: bytes


class Space(NamedTuple):
    """Extents, None for a null space; and how far they may grow."""

    shape: tuple[int, ...] | None
    largest: tuple[int, ...] | None


class LinkFacts(NamedTuple):
    """One link of a group."""

    name: bytes
    hard: bool
    address: int


class AttributeFacts(NamedTuple):
    """One attribute, its value not looked at."""

    name: bytes
    kind: str
    """``text``, ``i8``, ``f8`` or ``other``."""
    shape: tuple[int, ...] | None
    n_bytes: int
    """Of one value."""
    data: bytes


class StoredLayout(NamedTuple):
    """How a dataset is stored, and where what says where its chunks are."""

    chunked: bool
    chunk: tuple[int, ...] = ()
    value_size: int = 0
    skips_edges: bool = False
    """Whether chunks that reach beyond the extents are not filtered, unsaid."""
    lookup: int = 0
    """1: one chunk, 2: one after another, 3: an array; others are for extents that grow."""
    address: int = UNDEFINED
    size: int | None = None
    """Of the one chunk, where it is filtered."""
    mask: int = 0


def parse_space(data: bytes, place: str) -> Space:
    """Read extents."""
    cursor = Cursor(data, place)
    cursor.expect(2, 1, "version of extents")
    rank, flags, kind = cursor.number(1), cursor.number(1), cursor.number(1)
    if rank > _RANK or flags > 1 or kind > _NULL or (rank and kind != 1):
        raise broken("its extents are of no known kind", place)
    shape = tuple(cursor.number(8) for _ in range(rank))
    largest = tuple(cursor.number(8) for _ in range(rank)) if flags else shape
    return Space(None, None) if kind == _NULL else Space(shape, largest)


def parse_dtype(data: bytes) -> str | None:
    """Return the NumPy name of an allowed type, None of any other."""
    for code, name in _BY_CODE.items():
        if data.startswith(code):
            return name
    return None


def parse_filters(data: bytes, place: str) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """Return identifier, flags and values of each filter."""
    cursor = Cursor(data, place)
    cursor.expect(2, 1, "version of filters")
    found = []
    for _ in range(cursor.number(1)):
        identifier = cursor.number(2)
        name = cursor.number(2) if identifier >= 256 else 0
        flags, n_values = cursor.number(2), cursor.number(2)
        cursor.take(name)
        found.append((identifier, flags, tuple(cursor.number(4) for _ in range(n_values))))
    return tuple(found)


def parse_layout(data: bytes, place: str) -> StoredLayout:
    """Read how a dataset is stored; what is not in chunks is not looked at further."""
    cursor = Cursor(data, place)
    version, kind = cursor.number(1), cursor.number(1)
    if kind != _CHUNKED:
        return StoredLayout(chunked=False)
    if version != 4:
        raise broken("its chunks are found in a way without checksums", place)
    flags, rank, width = cursor.number(1), cursor.number(1), cursor.number(1)
    if flags > 3 or not 2 <= rank <= _RANK + 1 or not 1 <= width <= 8:
        raise broken("its chunks are of no known kind", place)
    *chunk, value_size = (cursor.number(width) for _ in range(rank))
    lookup, size, mask, address = cursor.number(1), None, 0, UNDEFINED
    if lookup == 1 and flags & 2:
        size, mask = cursor.number(8), cursor.number(4)
    elif lookup == 3:
        cursor.number(1)  # what the array itself says too
    if lookup in (1, 2, 3):
        address = cursor.number(8)
    edges = bool(flags & 1)
    return StoredLayout(True, tuple(chunk), value_size, edges, lookup, address, size, mask)


def parse_link(data: bytes, place: str) -> LinkFacts:
    """Read one link; where one that is not hard leads to is not looked at."""
    cursor = Cursor(data, place)
    cursor.expect(1, 1, "version of links")
    flags = cursor.number(1)
    if flags > 31:
        raise broken("a link has flags of no known kind", place)
    kind = cursor.number(1) if flags & 8 else _HARD
    cursor.take(8 if flags & 4 else 0)
    cursor.take(1 if flags & 16 else 0)
    name = cursor.take(cursor.number(1 << (flags & 3)))
    if kind != _HARD:
        return LinkFacts(name, False, UNDEFINED)
    return LinkFacts(name, True, cursor.number(8))


def parse_attribute(data: bytes, place: str) -> AttributeFacts:
    """Read an attribute's name, type and extents."""
    cursor = Cursor(data, place)
    cursor.expect(3, 1, "version of attributes")
    flags = cursor.number(1)
    sizes = [cursor.number(2) for _ in range(3)]
    cursor.number(1)  # the name's character set: the guard looks at its bytes
    name, dtype, extents = (cursor.take(size) for size in sizes)
    if not name.endswith(b"\0"):
        raise broken("an attribute's name does not end", place)
    space = Space(None, None) if flags & 2 else parse_space(extents, place)
    size = int.from_bytes(dtype[4:8], "little")
    found = parse_dtype(dtype)
    kind = found if found in ("i8", "f8") else "other"
    if dtype.startswith(_TEXT):
        kind = "text"
    if flags:
        kind = "other"  # its type or extents lie elsewhere
    return AttributeFacts(name[:-1], kind, space.shape, size, data[cursor.at :])
