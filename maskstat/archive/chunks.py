"""Read the values of a guarded dataset, as bytes in C order, without the HDF5 library."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.guard_storage import Stored
from maskstat.archive.pieces import Pieces
from maskstat.archive.source import Source
from maskstat.errors import CorruptArchiveError

__all__ = ["ChunkedBytes"]

_REGULAR = 64
"""A chunk so many times its stored size is likely to come again: in a dense row all are alike."""


class ChunkedBytes:
    """The values of one dataset as one run of bytes, read piece by piece.

    Safe to use from several threads.

    Parameters
    ----------
    source
        The file.
    stored
        The dataset, from the guard.
    place
        Named in errors.
    cache_bytes
        How much of what was decompressed to keep; with 0 the last chunk. Of rows longer than a
        chunk the last one of each is kept instead, since rows are read side by side.
    """

    def __init__(self, source: Source, stored: Stored, place: str, *, cache_bytes: int = 0) -> None:
        self._source = source
        self._stored = stored
        self._place = place
        self._cache_bytes = cache_bytes
        self._lock = Lock()
        self._inflated: OrderedDict[int, bytes] = OrderedDict()
        self._regular = (b"", b"")
        self._pieces = Pieces(stored.shape, stored.chunk, int(stored.dtype[1]))
        self.n_bytes = stored.n_bytes
        self.chunk_bytes = self._pieces.step

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return bytes `start` to `stop`, not to be modified."""
        first = self._pieces.locate(start)
        lo, hi = self._pieces.bounds(first)
        if stop <= hi:
            return np.frombuffer(self._part(first, start - lo, stop - lo), np.uint8)
        result = np.empty(stop - start, np.uint8)
        view = result.data
        piece, at = first, start
        while at < stop:
            lo, hi = self._pieces.bounds(piece)
            end = min(hi, stop)
            target = view[at - start : end - start]
            if self._stored.raw[piece]:
                self._source.read_into(int(self._stored.offsets[piece]) + at - lo, target)
            else:
                target[:] = self._inflate(piece)[at - lo : end - lo]
            piece, at = piece + 1, end
        return result

    def read_all(self) -> NDArray[np.uint8]:
        """Return everything."""
        return self.read(0, self.n_bytes)

    def parts(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        """Yield bytes `start` to `stop` in consecutive parts of at most one chunk."""
        while start < stop:
            end = min(stop, self._pieces.bounds(self._pieces.locate(start))[1])
            yield self.read(start, end)
            start = end

    def sha256(self) -> str:
        """Return the SHA-256 of everything, hexadecimal."""
        digest = sha256()
        for part in self.parts(0, self.n_bytes):
            digest.update(part.data)
        return digest.hexdigest()

    def _part(self, piece: int, start: int, stop: int) -> bytes | memoryview:
        if self._stored.raw[piece]:
            return self._source.read(int(self._stored.offsets[piece]) + start, stop - start)
        return memoryview(self._inflate(piece))[start:stop]

    def _inflate(self, piece: int) -> bytes:
        """Return a compressed chunk whole."""
        with self._lock:
            found = self._inflated.get(piece)
            if found is not None:
                self._inflated.move_to_end(piece)
                return found
        stored, step = self._stored, self._pieces.step
        packed = self._source.read(int(stored.offsets[piece]), int(stored.sizes[piece]))
        same, data = self._regular
        if packed != same:
            data = self._unpacked(packed)
        with self._lock:
            if len(packed) * _REGULAR < step:
                self._regular = packed, data
            self._keep(piece, data)
        return data

    def _keep(self, piece: int, data: bytes) -> None:
        """Keep a chunk for whoever reads on in it, in place of those that are likely done with."""
        kept, pieces = self._inflated, self._pieces
        if self._cache_bytes and pieces.cuts_rows:
            for done in [other for other in kept if pieces.same_row(other, piece)]:
                del kept[done]
        else:
            while kept and (len(kept) + 1) * pieces.step > self._cache_bytes:
                kept.popitem(last=False)
        kept[piece] = data

    def _unpacked(self, packed: bytes) -> bytes:
        step = self._pieces.step
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(packed, step + 1)
        except zlib.error as error:
            raise self._damaged() from error
        if len(data) != step or not inflater.eof or inflater.unused_data:
            raise self._damaged()
        return data

    def _damaged(self) -> CorruptArchiveError:
        return CorruptArchiveError(
            "a chunk does not decompress to its size",
            code="corrupt-chunk",
            place=self._place,
            consequence="the file is damaged",
            hint=f"maskstat verify {self._source.place}",
        )
