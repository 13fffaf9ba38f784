"""The structure of an HDF5 file as plain values, read without the HDF5 library.

That library is not made for hostile files: one changed byte with its checksum mended makes it
crash. Nothing here can: reads stay within the file, whatever the format does not allow is one kind
of error, and only the few structures that an archive has are known. Rules about the values are the
guard's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np

from maskstat.archive.hdf5_blocks import Blocks, Ledger, broken, checksum
from maskstat.archive.hdf5_chunks import ChunkFacts, read_chunks
from maskstat.archive.hdf5_groups import read_links
from maskstat.archive.hdf5_messages import (
    SHARED,
    AttributeFacts,
    LinkFacts,
    StoredLayout,
    parse_dtype,
    parse_filters,
    parse_layout,
    parse_space,
)
from maskstat.archive.hdf5_objects import (
    DTYPE,
    EXTERNAL,
    FILTERS,
    LAYOUT,
    SPACE,
    Header,
    ObjectFacts,
    read_header,
)
from maskstat.archive.source import Source

__all__ = [
    "AttributeFacts",
    "ChunkFacts",
    "DatasetFacts",
    "Group",
    "HdfFile",
    "LinkFacts",
    "ObjectFacts",
]

_ROOT = slice(36, 44)
_CHECKED = 44


class Group(NamedTuple):
    """A group and its members' addresses by name."""

    header: Header
    members: dict[bytes, int]
    links: list[LinkFacts]


class DatasetFacts(NamedTuple):
    """How a dataset is stored; type and shape are None where the storage is not allowed."""

    chunked: bool
    n_external: int
    filters: tuple[tuple[int, int, tuple[int, ...]], ...]
    chunk: tuple[int, ...]
    dtype: str | None
    shape: tuple[int, ...] | None
    max_shape: tuple[int, ...] | None
    skips_edges: bool = False
    layout: StoredLayout | None = None


class HdfFile:
    """An HDF5 file open for looking at its structure.

    Parameters
    ----------
    source
        The file's bytes, its superblock's fields checked.
    ledger
        Where every part that is found is entered.
    """

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self.place = source.place
        self._blocks = Blocks(source, ledger)
        head = source.read(0, 48)
        if checksum(head[:_CHECKED]) != int.from_bytes(head[_CHECKED:], "little"):
            raise broken("the superblock does not match its checksum", self.place)
        self._root = int.from_bytes(head[_ROOT], "little")
        self._last: tuple[int, Header] | None = None
        self.is_open = True

    def close(self) -> None:
        """Forget the structure."""
        self._last = None
        self.is_open = False

    def root(self, limit: int) -> tuple[Group, ObjectFacts]:
        """Return the root group, with one link more than `limit` at most, and what it is."""
        header = self._header(self._root, self.place)
        if header.facts.kind != "group":
            raise broken("its root is not a group", self.place)
        return self._group(header, self.place, limit), header.facts

    def member(self, group: Group, name: bytes, place: str) -> ObjectFacts:
        """Say what a hard link leads to, which is read once, before anything else is."""
        return self._header(group.members[name], place).facts

    def open_group(self, group: Group, name: bytes, place: str, limit: int) -> Group:
        """Open a group within a group, with one link more than `limit` at most."""
        return self._group(self._header(group.members[name], place), place, limit)

    def open_dataset(self, group: Group, name: bytes, place: str) -> tuple[Header, DatasetFacts]:
        """Open a dataset; its extents are not looked at unless it is stored in this file."""
        header = self._header(group.members[name], place)
        return header, _dataset_facts(header, place)

    def attributes(self, target: Group | Header, place: str) -> list[AttributeFacts]:
        """Describe an object's attributes without reading their values."""
        header = target if isinstance(target, Header) else target.header
        return header.attributes(place)

    def text(self, attribute: AttributeFacts, place: str) -> bytes:
        """Read a text attribute."""
        if len(attribute.data) < attribute.n_bytes:
            raise broken("an attribute ends too early", place)
        return attribute.data[: attribute.n_bytes]

    def numbers(self, attribute: AttributeFacts, place: str) -> list[int] | list[float]:
        """Read an attribute of one or several numbers."""
        n = math.prod(attribute.shape or ())
        if len(attribute.data) < n * attribute.n_bytes:
            raise broken("an attribute ends too early", place)
        values = np.frombuffer(attribute.data, f"<{attribute.kind}", n)
        return cast("list[int] | list[float]", values.tolist())

    def chunks(self, facts: DatasetFacts, place: str) -> Iterator[ChunkFacts]:
        """Yield a dataset's stored chunks."""
        assert facts.layout is not None
        assert facts.shape is not None
        filtered = bool(facts.filters)
        return read_chunks(self._blocks, facts.layout, facts.shape, filtered=filtered, place=place)

    def _header(self, address: int, place: str) -> Header:
        if self._last is None or self._last[0] != address:
            self._last = address, read_header(self._blocks, address, place)
        return self._last[1]

    def _group(self, header: Header, place: str, limit: int) -> Group:
        links = read_links(self._blocks, header, place, limit)
        members = {link.name: link.address for link in links if link.hard}
        return Group(header, members, links)


def _dataset_facts(header: Header, place: str) -> DatasetFacts:
    stored, space, dtype = header.find(LAYOUT), header.find(SPACE), header.find(DTYPE)
    assert stored is not None
    assert space is not None
    assert dtype is not None
    layout = parse_layout(stored.data, place)
    n_external = int(header.find(EXTERNAL) is not None)
    if not layout.chunked or n_external:
        return DatasetFacts(layout.chunked, n_external, (), (), None, None, None)
    found = header.find(FILTERS)
    filters = parse_filters(found.data, place) if found else ()
    name = None if dtype.flags & SHARED else parse_dtype(dtype.data)
    if name is not None and layout.value_size != int(name[1]):
        raise broken("its chunks hold values of another size", place)
    shape, largest = parse_space(space.data, place)
    return DatasetFacts(
        True, 0, filters, layout.chunk, name, shape, largest, layout.skips_edges, layout
    )
