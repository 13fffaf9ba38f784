"""The links of an HDF5 group, in its header or, if they are many, in a tree and a heap.

The tree is a version 2 B-tree of name hashes and heap addresses, the heap a table of blocks that
double in size; both with the parameters that the HDF5 library gives to every group.
"""

from __future__ import annotations

from typing import NamedTuple

from maskstat.archive.hdf5_blocks import UNDEFINED, Blocks, Cursor, broken
from maskstat.archive.hdf5_messages import LinkFacts, parse_link
from maskstat.archive.hdf5_objects import LINK, LINK_INFO, Header

__all__ = ["read_links"]

_NAME_INDEX = 5
_RECORD = 11
_ENTRY = 7
_NODE_OVERHEAD = 10
_DEPTH = 8

_WIDTH = 4
_START = 512
_LARGEST_DIRECT = 65_536
_DIRECT_ROWS = 9
_ROWS = 25
_CHECKED = 2
_BLOCK_HEADER = 17
"""Signature, version, the heap's address, offset: what comes before a block's checksum."""


def read_links(blocks: Blocks, header: Header, place: str, limit: int) -> list[LinkFacts]:
    """Return a group's links in order of their names, one more than `limit` at most."""
    info = header.find(LINK_INFO)
    assert info is not None
    cursor = Cursor(info.data, place)
    cursor.expect(0, 1, "version of links")
    cursor.take(8 if cursor.number(1) & 1 else 0)
    heap, tree = cursor.number(8), cursor.number(8)
    found = [parse_link(m.data, place) for m in header.messages if m.kind == LINK][: limit + 1]
    if heap != UNDEFINED:
        if found:
            raise broken("its links are in two places", place)
        read = _Heap(blocks, heap, place)
        found = [parse_link(read.entry(key), place) for key in _keys(blocks, tree, limit, place)]
    return sorted(found)


def _keys(blocks: Blocks, address: int, limit: int, place: str) -> list[bytes]:
    """Return the heap addresses in a tree, one more than `limit` at most."""
    cursor = Cursor(blocks.read(address, 38, b"BTHD", place), place)
    cursor.expect(0, 1, "tree's version")
    cursor.expect(_NAME_INDEX, 1, "tree's type")
    node_size = cursor.number(4)
    cursor.expect(_RECORD, 2, "tree's record size")
    depth = cursor.number(2)
    cursor.take(2)
    root, n_root, n_all = cursor.number(8), cursor.number(2), cursor.number(8)
    if not 64 <= node_size <= 1 << 16 or depth > _DEPTH:
        raise broken("its tree is of no known kind", place)
    if not n_all:
        return []
    tree = _Tree(blocks, node_size, limit, place)
    tree.visit(root, n_root, depth)
    if len(tree.keys) <= limit and len(tree.keys) != n_all:
        raise broken("its tree has another number of entries than it says", place)
    return tree.keys[: limit + 1]


class _Tree:
    """Collects the entries of a tree."""

    def __init__(self, blocks: Blocks, node_size: int, limit: int, place: str) -> None:
        self._blocks, self._limit, self._place = blocks, limit, place
        self._most = [(node_size - _NODE_OVERHEAD) // _RECORD]
        self._count_width = _width(self._most[0])
        self._pointers, total = [0], self._most[0]
        for depth in range(1, _DEPTH + 1):
            pointer = 8 + self._count_width + (_width(total) if depth > 1 else 0)
            self._pointers.append(pointer)
            most = max(0, (node_size - _NODE_OVERHEAD - pointer) // (_RECORD + pointer))
            self._most.append(most)
            total = (most + 1) * total + most
        self.keys: list[bytes] = []

    def visit(self, address: int, n: int, depth: int) -> None:
        """Take the entries of a node and of the nodes below it."""
        if not 1 <= n <= self._most[depth]:
            raise broken("a node of its tree is too full", self._place)
        pointer = self._pointers[depth]
        length = _NODE_OVERHEAD + n * _RECORD + (n + 1) * pointer
        signature = b"BTIN" if depth else b"BTLF"
        cursor = Cursor(self._blocks.read(address, length, signature, self._place), self._place)
        cursor.expect(0, 1, "tree node's version")
        cursor.expect(_NAME_INDEX, 1, "tree node's type")
        for _ in range(n):
            self.keys.append(cursor.take(_RECORD)[4:])
        for _ in range(n + 1 if depth else 0):
            if len(self.keys) > self._limit:
                return
            child, n_child = cursor.number(8), cursor.number(self._count_width)
            cursor.take(pointer - 8 - self._count_width)
            self.visit(child, n_child, depth - 1)


def _width(largest: int) -> int:
    """Return how many bytes hold a count."""
    return (largest.bit_length() - 1) // 8 + 1


class _Part(NamedTuple):
    """A block of a heap: an indirect one has rows, a direct one none."""

    address: int
    start: int
    size: int
    rows: int


class _Heap:
    """A fractal heap with the parameters of a group's."""

    def __init__(self, blocks: Blocks, address: int, place: str) -> None:
        self._blocks, self._address, self._place = blocks, address, place
        cursor = Cursor(blocks.read(address, 146, b"FRHP", place), place)
        cursor.expect(0, 1, "heap's version")
        cursor.expect(_ENTRY, 2, "heap's entry size")
        cursor.expect(0, 2, "heap's filter")
        cursor.expect(_CHECKED, 1, "heap's flags")
        cursor.take(4 + 12 * 8)
        cursor.expect(_WIDTH, 2, "heap's width")
        cursor.expect(_START, 8, "heap's first block size")
        cursor.expect(_LARGEST_DIRECT, 8, "heap's largest block size")
        cursor.expect(32, 2, "heap's address size")
        cursor.take(2)
        root, rows = cursor.number(8), cursor.number(2)
        if rows > _ROWS:
            raise broken("its heap has too many rows", place)
        self._root = _Part(root, 0, _START, rows)
        # By what they are taken for: one block at two places of the heap is met twice, and refused.
        self._pointers: dict[_Part, bytes] = {}
        self._seen: set[_Part] = set()

    def entry(self, key: bytes) -> bytes:
        """Return what lies at a heap address."""
        if key[0]:
            raise broken("its heap has an entry of no known kind", self._place)
        offset, length = int.from_bytes(key[1:5], "little"), int.from_bytes(key[5:7], "little")
        part = self._root
        while part.rows:
            part = self._child(part, offset)
        if part not in self._seen:
            self._check(part)
            self._seen.add(part)
        at = offset - part.start
        if not _BLOCK_HEADER + 4 <= at <= part.size - length:
            raise broken("an entry of its heap lies outside its block", self._place)
        return self._blocks.peek(part.address + at, length, self._place)

    def _child(self, part: _Part, offset: int) -> _Part:
        """Return the block behind an indirect one that holds a position."""
        if part not in self._pointers:
            n = part.rows * _WIDTH
            length = _BLOCK_HEADER + 8 * n + 4
            content = self._blocks.read(part.address, length, b"FHIB", self._place)
            self._check_prefix(content, part)
            self._pointers[part] = content[_BLOCK_HEADER - 4 :]
        start = part.start
        for row in range(part.rows):
            size = _START << max(0, row - 1)
            if offset < start + _WIDTH * size:
                column = (offset - start) // size
                at = 8 * (row * _WIDTH + column)
                address = int.from_bytes(self._pointers[part][at : at + 8], "little")
                rows = row - 2 if row >= _DIRECT_ROWS else 0  # as many as make up its size
                return _Part(address, start + column * size, size, rows)
            start += _WIDTH * size
        raise broken("an entry of its heap lies beyond its end", self._place)

    def _check(self, part: _Part) -> None:
        prefix = self._blocks.peek(part.address, _BLOCK_HEADER, self._place)
        if prefix[:4] != b"FHDB":
            raise broken("there is no FHDB block where it should be", self._place)
        self._check_prefix(prefix[4:], part)
        self._blocks.read_inside(part.address, part.size, _BLOCK_HEADER, self._place)

    def _check_prefix(self, content: bytes, part: _Part) -> None:
        cursor = Cursor(content, self._place)
        cursor.expect(0, 1, "heap block's version")
        cursor.expect(self._address, 8, "heap block's heap")
        cursor.expect(part.start, 4, "heap block's offset")
