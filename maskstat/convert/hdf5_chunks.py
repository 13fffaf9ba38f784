"""Chunks of other people's HDF5 datasets: any grid, deflate and shuffle, bounded in every way."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.source import Source
from maskstat.convert.refusals import damaged, unsafe
from maskstat.convert.tensors import PIECE_BYTES
from maskstat.errors import CorruptArchiveError

__all__ = ["ChunkedPieces"]

_DEFLATE, _SHUFFLE = 1, 2
_CHUNK_BYTES = 1 << 25
_SLAB_BYTES = 1 << 26
_SLAB_RATIO = 4
"""A longer row of chunks is put together if it takes room on the disk, and is no bomb."""


class _Chunk(NamedTuple):
    """Where a chunk lies, and which filters it skips."""

    skipped: int
    offset: int
    size: int


class ChunkedPieces:
    """Opens passes over an array in chunks: see `maskstat.convert.tensors.RawPieces`.

    Parameters
    ----------
    source
        The file.
    shape
        The array's.
    raw
        Unsigned integers of the size and byte order of its values.
    entry
        What the library says: ``chunk``, the chunks' shape; ``filters`` in the order in which they
        were applied; ``chunks``, each with its position, skipped filters, offset and size.
    place
        Named in errors.

    Raises
    ------
    UnsafeArchiveError
        Chunks are too large, too many or have no place; there are filters other than deflate and
        shuffle.
    CorruptArchiveError
        Chunks are missing.
    """

    def __init__(
        self,
        source: Source,
        shape: tuple[int, ...],
        raw: np.dtype[Any],
        entry: Mapping[str, Any],
        place: str,
    ) -> None:
        self._source, self._shape, self._raw, self._place = source, shape, raw, place
        self._chunk = tuple(entry["chunk"])
        self._filters = tuple(entry["filters"])
        self._check_filters()
        self._check_sizes()
        self._chunks: dict[tuple[int, ...], _Chunk] = {}
        for position, *where in entry["chunks"]:
            self._enter(tuple(position), _Chunk(*where))
        missing = math.prod(-(-n // k) for n, k in zip(shape, self._chunk, strict=True))
        missing -= len(self._chunks)
        if missing:
            raise damaged(f"{missing} of its chunks were never written", "missing-chunk", place)

    @property
    def extents(self) -> list[tuple[int, int]]:
        """Offset and size of every chunk in the file."""
        return [(chunk.offset, chunk.size) for chunk in self._chunks.values()]

    def _check_filters(self) -> None:
        if not set(self._filters) <= {_DEFLATE, _SHUFFLE} or len(self._filters) > 2:
            names = ", ".join(map(str, self._filters))
            raise unsafe(
                f"it is stored through filters {names}",
                "unsafe-filter",
                self._place,
                hint="h5repack -f GZIP=6: deflate and shuffle are read",
            )

    def _check_sizes(self) -> None:
        shape, chunk = self._shape, self._chunk
        self._n_bytes = math.prod(chunk) * self._raw.itemsize
        slab = math.prod(shape[1:]) * self._raw.itemsize * min(chunk[0], shape[0])
        if (
            len(chunk) != len(shape)
            or min(chunk) < 1
            or self._n_bytes > _CHUNK_BYTES
            or slab > max(_SLAB_BYTES, _SLAB_RATIO * self._source.stored)
        ):
            raise unsafe(f"its chunks are {chunk}", "unsafe-chunk", self._place)

    def _enter(self, position: tuple[int, ...], chunk: _Chunk) -> None:
        inside = len(position) == len(self._shape) and all(
            at % k == 0 and 0 <= at < n
            for at, k, n in zip(position, self._chunk, self._shape, strict=True)
        )
        if not inside or position in self._chunks:
            raise unsafe("a chunk has no place in its shape", "unsafe-chunk", self._place)
        if not 0 < chunk.size <= self._n_bytes + self._n_bytes // 100 + 64:
            raise unsafe("a chunk has an impossible size", "unsafe-chunk", self._place)
        self._chunks[position] = chunk

    def __call__(self) -> Iterator[NDArray[Any]]:
        """Put the array together, one layer of chunks along the first axis after another."""
        for start in range(0, self._shape[0], self._chunk[0]):
            stop = min(start + self._chunk[0], self._shape[0])
            slab = np.empty((stop - start, *self._shape[1:]), self._raw)
            for position in self._layer(start):
                values = self._values(self._chunks[position])
                corner = (0, *position[1:])
                target = slab[
                    tuple(slice(a, a + k) for a, k in zip(corner, self._chunk, strict=True))
                ]
                target[...] = values[tuple(slice(n) for n in target.shape)]
            flat = slab.reshape(-1)
            step = PIECE_BYTES // flat.itemsize
            for at in range(0, flat.size, step):
                yield flat[at : at + step]

    def _layer(self, start: int) -> Iterator[tuple[int, ...]]:
        """Return where the chunks are that begin at one index of the first axis."""
        steps = [range(0, n, k) for n, k in zip(self._shape[1:], self._chunk[1:], strict=True)]
        for index in np.ndindex(*(len(along) for along in steps)):
            yield (start, *(along[i] for along, i in zip(steps, index, strict=True)))

    def _values(self, chunk: _Chunk) -> NDArray[Any]:
        data = self._source.read(chunk.offset, chunk.size)
        for position in reversed(range(len(self._filters))):
            if chunk.skipped >> position & 1:
                continue
            if self._filters[position] == _DEFLATE:
                data = self._inflate(data)
            elif len(data) == self._n_bytes:
                planes = np.frombuffer(data, np.uint8).reshape(self._raw.itemsize, -1)
                data = planes.T.tobytes()
        if len(data) != self._n_bytes:
            raise self._damaged()
        return np.frombuffer(data, self._raw).reshape(self._chunk)

    def _inflate(self, data: bytes) -> bytes:
        inflater = zlib.decompressobj()
        try:
            found = inflater.decompress(data, self._n_bytes + 1)
        except zlib.error as error:
            raise self._damaged() from error
        if not inflater.eof:
            raise self._damaged()
        return found

    def _damaged(self) -> CorruptArchiveError:
        return damaged("a chunk does not decompress to its size", "corrupt-chunk", self._place)
