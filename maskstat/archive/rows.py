"""The masks of a run in a file: every row checked against digest, padding and counts.

Short rows are checked with the others of their chunk. A row of up to 32 MiB is checked whole before
any of it is used. A longer one is checked while it is read in sequence, and fails at the end of the
pass; read in another order, it is checked in a pass of its own first. No row is checked twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.archive import spec
from maskstat.archive.ahead import LEAST_BYTES, in_order
from maskstat.archive.chunks import ChunkedBytes
from maskstat.bits import TILE_WORDS, WORD_BITS, IntArray, WordArray, count, segment_counts, tiles
from maskstat.errors import CorruptArchiveError, printable
from maskstat.layout import Layout
from maskstat.segments import segments
from maskstat.threads import n_threads

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["FileMasks", "RowCheck", "RowPass", "check_rows", "padding"]

_LITTLE = np.dtype("<u8")
_STREAMS = 4
"""Of one run; more rows at once are read without threads of their own."""
_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


class RowCheck(NamedTuple):
    """What one pass over a row found.

    Parameters
    ----------
    digest
        SHA-256 of its bytes.
    kept : int64 (n_layers,)
        Set bits a layer.
    stray
        Name of the first layer with a set padding bit; empty if there is none.
    outside
        Set bits that the row before does not have.
    """

    digest: bytes
    kept: IntArray
    stray: str
    outside: int = 0


def padding(layout: Layout) -> NDArray[np.uint64]:
    """Return the bits of each layer's last word that belong to no weight, uint64 (n_layers,)."""
    used = (layout.sizes % WORD_BITS).astype(np.uint64)
    return np.where(used == 0, np.uint64(0), np.left_shift(_ONES, used))


class RowPass:
    """A pass over one row, from its first word to its last.

    Parameters
    ----------
    layout
        The layers.
    tails : uint64 (n_layers,)
        Their `padding`.
    """

    def __init__(self, layout: Layout, tails: NDArray[np.uint64]) -> None:
        self._layout = layout
        self._tails = tails
        self._hash: _Hash = sha256()
        self._kept = np.zeros(len(layout.layers), np.int64)
        self._stray = ""
        self.done = 0

    def add(self, words: WordArray) -> None:
        """Take the next words."""
        start, stop = self.done, self.done + words.size
        self._hash.update(words.astype(_LITTLE, copy=False).data)
        segment_counts(words, start, self._layout.edges, self._kept)
        ends = self._layout.edges[1:] - 1
        here = slice(*np.searchsorted(ends, [start, stop]))
        stray = np.flatnonzero(words[ends[here] - start] & self._tails[here])
        if stray.size and not self._stray:
            self._stray = self._layout.layers[int(here.start + stray[0])].name
        self.done = stop

    def result(self) -> RowCheck:
        """Return what was found, after the last word."""
        return RowCheck(self._hash.digest(), self._kept, self._stray)


def check_rows(
    rows: NDArray[np.uint64], layout: Layout, tails: NDArray[np.uint64]
) -> list[RowCheck]:
    """Check whole rows together, which for short ones costs a fraction.

    Parameters
    ----------
    rows : uint64 (n_rows, n_words)
    layout
        The layers.
    tails : uint64 (n_layers,)
        Their `padding`.

    Returns
    -------
    list of RowCheck
        As a `RowPass` over each row finds.
    """
    little = np.ascontiguousarray(rows, _LITTLE)
    cut = segments(layout.edges, 0, layout.n_words)
    kept = np.zeros((len(rows), len(layout.layers)), np.int64)
    kept[:, cut.layers] = cut.sums(np.bitwise_count(rows))
    ends = layout.edges[1:] - 1
    astray = (rows[:, ends] & tails) != 0
    strays = [layout.layers[int(a.argmax())].name if a.any() else "" for a in astray]
    return [
        RowCheck(sha256(row.data).digest(), counts, stray)
        for row, counts, stray in zip(little, kept, strays, strict=True)
    ]


class _Stream:
    """The first pass over a long row: its words are checked, then handed out, in order."""

    def __init__(self, parts: Iterator[WordArray], check: RowPass) -> None:
        self._parts = parts
        self._held: deque[tuple[int, WordArray]] = deque()
        self.check = check

    def words(self, start: int, stop: int) -> WordArray | None:
        """Return the words from `start` to `stop`, or nothing if they went by already."""
        if start < (self._held[0][0] if self._held else self.check.done):
            return None
        while self.check.done < stop:
            part = next(self._parts)
            self._held.append((self.check.done, part))
            self.check.add(part)
        while self._held[0][0] + self._held[0][1].size <= start:
            self._held.popleft()
        found = [part[max(0, start - at) : stop - at] for at, part in self._held if at < stop]
        return found[0] if len(found) == 1 else np.concatenate(found)


class FileMasks:
    """Packed masks in an archive.

    Parameters
    ----------
    values
        The rows' bytes.
    layout
        The layers.
    digests : uint8 (n_rows, 32)
        SHA-256 of each row.
    kept : int64 (n_rows, n_layers)
        Set bits a layer.
    label
        Address of the run, for errors.
    """

    def __init__(
        self,
        values: ChunkedBytes,
        layout: Layout,
        digests: NDArray[np.uint8],
        kept: IntArray,
        label: str,
    ) -> None:
        self._values = values
        self._layout = layout
        self._digests = digests
        self._kept = kept
        self._label = label
        self._checked = np.zeros(digests.shape[0], np.bool_)
        self._streams: dict[int, _Stream] = {}
        self._lock = RLock()
        self._tails = padding(layout)
        self._in_chunk = values.chunk_bytes // (8 * layout.n_words)
        self._block = (0, np.empty((0, 0), np.uint64))

    @property
    def n_rows(self) -> int:
        """Number of iterations."""
        return int(self._digests.shape[0])

    @property
    def n_words(self) -> int:
        """Length of a row in 64-bit words."""
        return self._layout.n_words

    def words(self, row: int, start: int, stop: int) -> WordArray:
        """Return words `start` to `stop` of one row, not to be modified.

        Raises
        ------
        CorruptArchiveError
            The row is not what was written.
        """
        if start >= stop:
            return np.empty(0, np.uint64)
        if self._checked[row]:
            first, block = self._block
            if first <= row < first + len(block):
                return block[row - first, start:stop]
            return self._read(row, start, stop)
        with self._lock:
            if self._checked[row]:
                return self._read(row, start, stop)
            if self._in_chunk > 1:
                first, block = self._block = self._check_chunk(row)
                return block[row - first, start:stop]
            if 8 * self.n_words <= spec.ROW_IN_MEMORY:
                words = self._whole(row)
                check = RowPass(self._layout, self._tails)
                check.add(words)
                self._finish(row, check)
                return words[start:stop]
            return self._stream(row, start, stop)

    def check(self, row: int) -> None:
        """Check a long row, of which not all is going to be read; `words` checks any other.

        Raises
        ------
        CorruptArchiveError
            The row is not what was written.
        """
        with self._lock:
            if 8 * self.n_words > spec.ROW_IN_MEMORY and not self._checked[row]:
                self._go_over(row)

    def examine(self) -> list[RowCheck | CorruptArchiveError]:
        """Go over all rows in one pass and say what each holds, right or not.

        Returns
        -------
        list of RowCheck or CorruptArchiveError
            One a row, the error where it cannot be read; each is held against the row before.
        """
        passes = [RowPass(self._layout, self._tails) for _ in range(self.n_rows)]
        outside = [0] * self.n_rows
        errors: dict[int, CorruptArchiveError] = {}
        before: WordArray | None = None
        step, threads = self._tiling()
        parts = ((row, *tile) for tile in tiles(self.n_words, step) for row in range(self.n_rows))
        for (row, *_), found in in_order(self._try, parts, threads=threads):
            words = None
            if isinstance(found, CorruptArchiveError):
                errors.setdefault(row, found)
            elif row not in errors:
                words = found
                passes[row].add(words)
                if row and before is not None:
                    outside[row] += count(words & ~before)
            before = words
        return [
            errors.get(row) or check.result()._replace(outside=outside[row])
            for row, check in enumerate(passes)
        ]

    def _tiling(self) -> tuple[int, int]:
        """Return words in a tile and threads: several if no two tiles share a chunk."""
        chunk = self._values.chunk_bytes
        if chunk % 8 or chunk > 8 * self.n_words:
            return TILE_WORDS, 1
        threads = n_threads(8 * self.n_words * self.n_rows, least=LEAST_BYTES)
        return -(-8 * TILE_WORDS // chunk) * chunk // 8, threads

    def _try(self, part: tuple[int, int, int]) -> WordArray | CorruptArchiveError:
        try:
            return self._read(*part)
        except CorruptArchiveError as error:
            return error

    def problem(self, row: int, found: RowCheck) -> CorruptArchiveError | None:
        """Compare what a row holds with what the file says about it."""
        matches = found.digest == self._digests[row].tobytes()
        wrong = found.kept != self._kept[row]
        if matches and not found.stray and not wrong.any():
            return None
        place = f"{self._label}@{row}"
        hint = f"maskstat verify {self._label.partition('::')[0]}"
        if not matches:
            return CorruptArchiveError(
                "content does not match its digest",
                code="corrupt-digest",
                place=place,
                consequence="the file is damaged",
                hint=hint,
            )
        if found.stray:
            return CorruptArchiveError(
                f"layer {printable(found.stray)} has bits set in its padding",
                code="corrupt-padding",
                place=place,
                consequence="counts would be wrong",
                hint=hint,
            )
        layer = int(wrong.argmax())
        return CorruptArchiveError(
            f"layer {printable(self._layout.names[layer])} keeps {found.kept[layer]:,} weights"
            f" where the file says {self._kept[row, layer]:,}",
            code="corrupt-kept",
            place=place,
            consequence="the file contradicts itself",
            hint=hint,
        )

    def _read(self, row: int, start: int, stop: int) -> WordArray:
        base = 8 * self.n_words * row
        octets = self._values.read(base + 8 * start, base + 8 * stop)
        return octets.view(_LITTLE).astype(np.uint64, copy=False)

    def _check_chunk(self, row: int) -> tuple[int, NDArray[np.uint64]]:
        """Check a short row with all that share its chunk; return the first's number, their words.

        Others of them may be damaged.
        """
        first = row - row % self._in_chunk
        last = min(first + self._in_chunk, self.n_rows)
        octets = self._values.read(8 * self.n_words * first, 8 * self.n_words * last)
        words = octets.view(_LITTLE).astype(np.uint64, copy=False).reshape(-1, self.n_words)
        checks = check_rows(words, self._layout, self._tails)
        problems = [self.problem(first + i, check) for i, check in enumerate(checks)]
        self._checked[first:last] = [problem is None for problem in problems]
        problem = problems[row - first]
        if problem is not None:
            raise problem
        return first, words

    def _whole(self, row: int) -> WordArray:
        if n_threads(8 * self.n_words, least=LEAST_BYTES) < 2:
            return self._read(row, 0, self.n_words)
        words, done = np.empty(self.n_words, np.uint64), 0
        for part in self._in_turn(row):
            words[done : done + part.size] = part
            done += part.size
        return words

    def _in_turn(self, row: int) -> Iterator[WordArray]:
        """Yield a row's words from first to last, the next ones read meanwhile."""
        step, threads = self._tiling()
        if len(self._streams) >= _STREAMS:
            threads = 1
        parts = in_order(
            lambda tile: self._read(row, *tile), tiles(self.n_words, step), threads=threads
        )
        return (words for _, words in parts)

    def _go_over(self, row: int) -> None:
        """Check a long row in a pass of its own."""
        self._streams.pop(row, None)
        check = RowPass(self._layout, self._tails)
        for part in self._in_turn(row):
            check.add(part)
        self._finish(row, check)

    def _finish(self, row: int, check: RowPass) -> None:
        problem = self.problem(row, check.result())
        if problem is not None:
            raise problem
        self._checked[row] = True

    def _stream(self, row: int, start: int, stop: int) -> WordArray:
        """Read a part of a long row on the way of its first pass, or after a pass of its own."""
        stream = self._streams.pop(row, None)
        if stream is None and start == 0:
            stream = _Stream(self._in_turn(row), RowPass(self._layout, self._tails))
        if stream is None or start > stream.check.done:
            self._go_over(row)
            return self._read(row, start, stop)
        words = stream.words(start, stop)
        if stream.check.done == self.n_words:
            self._finish(row, stream.check)
        else:
            self._streams[row] = stream
        return self._read(row, start, stop) if words is None else words
