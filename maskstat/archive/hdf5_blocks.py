"""Checksummed blocks of an HDF5 file, read without the HDF5 library.

Field by field after the HDF5 File Format Specification, version 3.0. Every read is within bounds,
every block is checked against its checksum, and no two blocks share bytes of the file.
"""

from __future__ import annotations

import struct
from bisect import bisect_right

from maskstat.archive.source import Source
from maskstat.errors import CorruptArchiveError, UnsafeArchiveError

__all__ = ["UNDEFINED", "Blocks", "Cursor", "Ledger", "broken", "checksum"]

UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
"""The address of what is not there."""

_WORD = 0xFFFF_FFFF
_SUM = 4
_SUPERBLOCK = 48
_PIECE = 2_048


def broken(fact: str, place: str) -> CorruptArchiveError:
    """Build the error for a structure that does not follow the HDF5 format."""
    return CorruptArchiveError(
        fact, code="corrupt-structure", place=place, consequence="the file is damaged"
    )


class Ledger:
    """The parts of a file that something was found in: none shared, all inside.

    Parameters
    ----------
    size
        The file's size in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # Sorted, in pieces: one long list takes quadratic time where parts come from back to front.
        self._firsts = [0]
        self._pieces: list[tuple[list[int], list[int]]] = [([0], [_SUPERBLOCK])]

    def claim(self, start: int, length: int, place: str, *, what: str = "chunk") -> None:
        """Enter one more part."""
        end = start + length
        if start < _SUPERBLOCK or end > self._size:
            raise _overlap(f"a {what} lies outside the file", place)
        index = bisect_right(self._firsts, start) - 1
        starts, ends = self._pieces[index]
        at = bisect_right(starts, start)
        following = (*starts[at : at + 1], *self._firsts[index + 1 : index + 2])
        if ends[at - 1] > start or (following and following[0] < end):
            raise _overlap(f"a {what} shares bytes of the file with something else", place)
        starts.insert(at, start)
        ends.insert(at, end)
        if len(starts) > _PIECE:
            half = _PIECE // 2
            self._firsts.insert(index + 1, starts[half])
            self._pieces.insert(index + 1, (starts[half:], ends[half:]))
            del starts[half:], ends[half:]


class Cursor:
    """Takes bytes and numbers from a block, one after another.

    Parameters
    ----------
    data
        The bytes.
    place
        Named in errors.
    """

    __slots__ = ("_data", "_place", "at")

    def __init__(self, data: bytes, place: str) -> None:
        self._data = data
        self._place = place
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return len(self._data) - self.at

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + length
        if self.at > len(self._data):
            raise broken("a part of its structure ends too early", self._place)
        return self._data[start : self.at]

    def number(self, width: int) -> int:
        """Return the next unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def expect(self, value: int, width: int, what: str) -> None:
        """Take a number that can only be one."""
        found = self.number(width)
        if found != value:
            raise broken(f"its {what} is {found}, not {value}", self._place)


class Blocks:
    """Reads the metadata of a file block by block.

    Parameters
    ----------
    source
        The file.
    ledger
        Where each block is entered.
    """

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self.source = source
        self._ledger = ledger

    def peek(self, address: int, length: int, place: str) -> bytes:
        """Return bytes that are not checked."""
        if not 0 <= address <= self.source.size - length:
            raise broken("a part of its structure lies outside the file", place)
        return self.source.read(address, length)

    def read(self, address: int, length: int, signature: bytes, place: str) -> bytes:
        """Return what lies between a block's signature and the checksum at its end.

        Parameters
        ----------
        address, length
            Of the whole block.
        signature
            Four letters; empty for a page of a block.
        place
            Named in errors.
        """
        block = self.peek(address, length, place)
        if length < len(signature) + _SUM or not block.startswith(signature):
            raise broken(f"there is no {signature.decode()} block where it should be", place)
        if checksum(block[:-_SUM]) != int.from_bytes(block[-_SUM:], "little"):
            raise broken("its structure does not match its checksum", place)
        self._ledger.claim(address, length, place, what="block")
        return block[len(signature) : -_SUM]

    def read_inside(self, address: int, length: int, at: int, place: str) -> None:
        """Check a block of a heap, whose checksum lies inside it and counts as zero.

        Parameters
        ----------
        address, length
            Of the whole block.
        at
            Where in the block its checksum lies.
        place
            Named in errors.
        """
        block = self.peek(address, length, place)
        zeroed = block[:at] + bytes(_SUM) + block[at + _SUM :]
        if checksum(zeroed) != int.from_bytes(block[at : at + _SUM], "little"):
            raise broken("its structure does not match its checksum", place)
        self._ledger.claim(address, length, place, what="block")


def checksum(data: bytes) -> int:
    """Return Jenkins' lookup3 hash of some bytes, which HDF5 checks its metadata by.

    Notes
    -----
    B. Jenkins, *lookup3.c* (2006), ``hashlittle`` with an initial value of 0.

    Examples
    --------
    >>> hex(checksum(b"Four score and seven years ago"))
    '0x17770551'
    """
    x: int
    y: int
    z: int
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    body = max(0, (len(data) - 1) // 12 * 12)
    for x, y, z in struct.iter_unpack("<III", data[:body]):
        a, b, c = a + x & _WORD, b + y & _WORD, c + z & _WORD
        a = (a - c & _WORD) ^ (c << 4 & _WORD | c >> 28)
        c = c + b & _WORD
        b = (b - a & _WORD) ^ (a << 6 & _WORD | a >> 26)
        a = a + c & _WORD
        c = (c - b & _WORD) ^ (b << 8 & _WORD | b >> 24)
        b = b + a & _WORD
        a = (a - c & _WORD) ^ (c << 16 & _WORD | c >> 16)
        c = c + b & _WORD
        b = (b - a & _WORD) ^ (a << 19 & _WORD | a >> 13)
        a = a + c & _WORD
        c = (c - b & _WORD) ^ (b << 4 & _WORD | b >> 28)
        b = b + a & _WORD
    x, y, z = struct.unpack("<III", data[body:].ljust(12, b"\0"))
    a, b, c = a + x & _WORD, b + y & _WORD, c + z & _WORD
    c = (c ^ b) - (b << 14 & _WORD | b >> 18) & _WORD
    a = (a ^ c) - (c << 11 & _WORD | c >> 21) & _WORD
    b = (b ^ a) - (a << 25 & _WORD | a >> 7) & _WORD
    c = (c ^ b) - (b << 16 & _WORD | b >> 16) & _WORD
    a = (a ^ c) - (c << 4 & _WORD | c >> 28) & _WORD
    b = (b ^ a) - (a << 14 & _WORD | a >> 18) & _WORD
    return (c ^ b) - (b << 24 & _WORD | b >> 8) & _WORD


def _overlap(fact: str, place: str) -> UnsafeArchiveError:
    return UnsafeArchiveError(
        fact,
        code="unsafe-overlap",
        place=place,
        consequence="the file is refused; nothing of this was read",
    )
