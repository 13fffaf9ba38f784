"""Masks on their way in: packed as they are read, held in memory or in a file without a name."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from maskstat.archive.rows import padding
from maskstat.bits import WORD_BITS, BoolArray, WordArray, count, pack
from maskstat.errors import InputError, StorageError, printable
from maskstat.layout import Layer, Layout

__all__ = ["FileRows", "MemoryRows", "Rows", "SpooledMasks", "open_rows", "pack_layer"]

_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


class Rows(Protocol):
    """Packed words by row, written once and read by range."""

    def write(self, row: int, start: int, words: WordArray) -> None:
        """Put words into one row from `start` on."""
        ...

    def read(self, row: int, start: int, stop: int) -> WordArray:
        """Return words `start` to `stop` of one row."""
        ...


class MemoryRows:
    """Rows in memory.

    Parameters
    ----------
    n_rows, n_words
        How many, and how long.
    """

    def __init__(self, n_rows: int, n_words: int) -> None:
        self._array = np.zeros((n_rows, n_words), np.uint64)

    def write(self, row: int, start: int, words: WordArray) -> None:
        """Put words into one row from `start` on."""
        self._array[row, start : start + words.size] = words

    def read(self, row: int, start: int, stop: int) -> WordArray:
        """Return a view of words `start` to `stop` of one row."""
        return self._array[row, start:stop]


class FileRows:
    """Rows in a temporary file that has no name and is gone with its last user.

    Parameters
    ----------
    n_rows, n_words
        How many, and how long.

    Raises
    ------
    StorageError
        There is no space for it.
    """

    def __init__(self, n_rows: int, n_words: int) -> None:
        self._n_words = n_words
        try:
            file = tempfile.TemporaryFile(prefix="maskstat-")  # noqa: SIM115
            os.ftruncate(file.fileno(), 8 * n_rows * n_words)
        except OSError as error:
            raise _full(error) from error
        self._fd = file.fileno()
        self.close = weakref.finalize(self, file.close)

    def write(self, row: int, start: int, words: WordArray) -> None:
        """Put words into one row from `start` on."""
        octets = np.ascontiguousarray(words).view(np.uint8).data
        at, done = 8 * (row * self._n_words + start), 0
        try:
            while done < len(octets):
                done += os.pwrite(self._fd, octets[done:], at + done)
        except OSError as error:
            raise _full(error) from error

    def read(self, row: int, start: int, stop: int) -> WordArray:
        """Return words `start` to `stop` of one row."""
        words = np.empty(stop - start, np.uint64)
        octets = words.view(np.uint8).data
        at, done = 8 * (row * self._n_words + start), 0
        while done < len(octets):
            n = os.preadv(self._fd, [octets[done:]], at + done)
            if n == 0:
                raise _full(OSError("it was cut off"))
            done += n
        return words


def open_rows(n_rows: int, n_words: int, *, in_memory: int) -> Rows:
    """Return rows in memory up to some bytes, else in a temporary file."""
    if 8 * n_rows * n_words <= in_memory:
        return MemoryRows(n_rows, n_words)
    return FileRows(n_rows, n_words)


class SpooledMasks:
    """The masks of a run, row 0 the dense network, which is stored nowhere.

    Parameters
    ----------
    rows
        Where the others are.
    stored
        Which of the rows there are iterations 1, 2, ...
    layout
        The layers.
    """

    def __init__(self, rows: Rows, stored: range, layout: Layout) -> None:
        self._rows = rows
        self._stored = stored
        self._n_words = layout.n_words
        self._ends = layout.edges[1:] - 1
        self._last = ~padding(layout)

    @property
    def n_rows(self) -> int:
        """Number of iterations, the dense one included."""
        return len(self._stored) + 1

    @property
    def n_words(self) -> int:
        """Length of a row in 64-bit words."""
        return self._n_words

    def words(self, row: int, start: int, stop: int) -> WordArray:
        """Return words `start` to `stop` of one row, not to be modified."""
        if row:
            return self._rows.read(self._stored[row - 1], start, stop)
        words = np.full(stop - start, _ONES)
        here = slice(*np.searchsorted(self._ends, [start, stop]))
        words[self._ends[here] - start] = self._last[here]
        return words


def pack_layer(rows: Rows, row: int, layer: Layer, blocks: Iterable[BoolArray], place: str) -> int:
    """Pack a layer's mask into its place as it comes, and return how many weights it keeps.

    Raises
    ------
    InputError
        It has more or fewer values than its shape.
    """
    kept, at, seen = 0, layer.word_offset, 0
    rest = np.empty(0, np.bool_)
    for block in blocks:
        bits = block.reshape(-1)
        seen += bits.size
        if seen > layer.size:
            raise _wrong_size(layer, place)
        if rest.size:
            bits = np.concatenate([rest, bits])
        n_whole = bits.size // WORD_BITS * WORD_BITS
        words, rest = pack(bits[:n_whole]), bits[n_whole:].copy()
        kept += count(words)
        rows.write(row, at, words)
        at += words.size
    if seen != layer.size:
        raise _wrong_size(layer, place)
    if rest.size:
        rows.write(row, at, pack(rest))
    return kept + int(np.count_nonzero(rest))


def _wrong_size(layer: Layer, place: str) -> InputError:
    return InputError(
        f"the mask of '{printable(layer.name)}' does not have the {layer.size:,} values of its "
        f"shape {layer.shape}",
        code="wrong-length",
        place=place,
    )


def _full(error: OSError) -> StorageError:
    return StorageError(
        f"the masks do not fit into a temporary file: {error.strerror or error}",
        code="disk-full",
        place=tempfile.gettempdir(),
        hint="TMPDIR=/somewhere/larger",
    )
