"""Where the chunks of an HDF5 dataset lie, read without the HDF5 library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from maskstat.archive.hdf5_blocks import UNDEFINED, Blocks, Cursor, broken
from maskstat.archive.hdf5_messages import StoredLayout

__all__ = ["ChunkFacts", "read_chunks"]

_ONE, _IN_ORDER, _ARRAY = 1, 2, 3
_ARRAY_HEADER = 28
_ARRAY_PREFIX = 14
_PAGE_BITS = 16


class ChunkFacts(NamedTuple):
    """One stored chunk."""

    position: tuple[int, ...]
    filter_mask: int
    offset: int
    size: int


def read_chunks(
    blocks: Blocks, layout: StoredLayout, shape: Sequence[int], *, filtered: bool, place: str
) -> Iterator[ChunkFacts]:
    """Yield a dataset's stored chunks, in C order.

    Parameters
    ----------
    blocks
        The file.
    layout
        How it is stored.
    shape
        Its extents, every one 1 or more.
    filtered
        Whether it has a filter.
    place
        Named in errors.
    """
    if layout.lookup not in (_ONE, _IN_ORDER, _ARRAY):
        raise broken("its chunks are found in a way for extents that grow", place)
    if layout.address == UNDEFINED:
        return
    grid = [-(-n // k) for n, k in zip(shape, layout.chunk, strict=True)]
    whole = math.prod(layout.chunk) * layout.value_size
    entries: Iterator[tuple[int, int, int]]
    if layout.lookup == _ONE:
        if (layout.size is not None) != filtered or math.prod(grid) != 1:
            raise broken("its one chunk is not what its shape and filters say", place)
        size = whole if layout.size is None else layout.size
        entries = iter([(layout.address, size, layout.mask)])
    elif layout.lookup == _IN_ORDER:
        if filtered:
            raise broken("its filtered chunks have no index", place)
        entries = ((layout.address + i * whole, whole, 0) for i in range(math.prod(grid)))
    else:
        entries = _array(blocks, layout.address, math.prod(grid), whole, place, filtered=filtered)
    for i, (address, size, mask) in enumerate(entries):
        if address != UNDEFINED:
            yield ChunkFacts(_position(i, grid, layout.chunk), mask, address, size)


def _array(
    blocks: Blocks, address: int, n: int, whole: int, place: str, *, filtered: bool
) -> Iterator[tuple[int, int, int]]:
    """Yield address, size and filter mask of each entry of a fixed array."""
    cursor = Cursor(blocks.read(address, _ARRAY_HEADER, b"FAHD", place), place)
    cursor.expect(0, 1, "chunk array's version")
    cursor.expect(filtered, 1, "chunk array's kind")
    entry, page_bits = cursor.number(1), cursor.number(1)
    cursor.expect(n, 8, "chunk array's length")
    data = cursor.number(8)
    if data == UNDEFINED:
        return
    # The library goes by the chunk's size, whatever the array says: one byte more than holds it.
    size_width = min(8, 1 + (whole.bit_length() + 7) // 8)
    if entry != (12 + size_width if filtered else 8) or page_bits > _PAGE_BITS:
        raise broken("its chunk array is of no known kind", place)
    page = 1 << page_bits
    n_pages = -(-n // page) if n > page else 0
    bitmap = -(-n_pages // 8)
    inside = 0 if n_pages else n * entry
    content = blocks.read(data, _ARRAY_PREFIX + bitmap + inside + 4, b"FADB", place)
    cursor = Cursor(content, place)
    cursor.expect(0, 1, "chunk array's version")
    cursor.expect(filtered, 1, "chunk array's kind")
    cursor.expect(address, 8, "chunk array's header")
    if not n_pages:
        yield from _entries(cursor, n, entry, whole, filtered=filtered)
        return
    written = cursor.take(bitmap)
    at = data + _ARRAY_PREFIX + bitmap + 4
    for i in range(n_pages):
        here = min(page, n - i * page)
        if written[i // 8] & 0x80 >> i % 8:
            content = blocks.read(at, here * entry + 4, b"", place)
            yield from _entries(Cursor(content, place), here, entry, whole, filtered=filtered)
        else:
            yield from ((UNDEFINED, 0, 0) for _ in range(here))
        at += page * entry + 4


def _entries(
    cursor: Cursor, n: int, entry: int, whole: int, *, filtered: bool
) -> Iterator[tuple[int, int, int]]:
    for _ in range(n):
        if filtered:
            yield cursor.number(8), cursor.number(entry - 12), cursor.number(4)
        else:
            yield cursor.number(8), whole, 0


def _position(index: int, grid: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    found: list[int] = []
    for n, k in zip(reversed(grid), reversed(chunk), strict=True):
        index, at = divmod(index, n)
        found.append(at * k)
    return tuple(reversed(found))
