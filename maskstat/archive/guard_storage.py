"""Guard rules for datasets: how they are stored, how large they are, where their chunks lie."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.archive import spec
from maskstat.archive.guard_members import AttributeValue, refuse
from maskstat.archive.hdf5 import ChunkFacts, DatasetFacts
from maskstat.archive.hdf5_blocks import Ledger
from maskstat.archive.pieces import Pieces, cut_axis
from maskstat.errors import CorruptArchiveError

__all__ = ["Budget", "Ledger", "Stored", "check_dataset", "chunk_table"]

_DEFLATE = 1


class Stored(NamedTuple):
    """A dataset that passed the guard: all that is needed to read it without the library.

    Its chunks cut the values in C order into pieces, one after another.

    Parameters
    ----------
    path
        In the file.
    dtype
        Little-endian NumPy name.
    shape, chunk
        Every dimension 1 or more; the chunk is 1 along all axes before one, full after it.
    attributes
        Name to value.
    offsets, sizes : int64 (n_pieces,)
        Where the pieces lie in the file.
    raw : bool (n_pieces,)
        Which of them are not compressed.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    attributes: dict[str, AttributeValue]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    raw: NDArray[np.bool_]

    @property
    def n_bytes(self) -> int:
        """Size of the values."""
        return math.prod(self.shape) * int(self.dtype[1])


class Budget:
    """What a file of some size may hold, and ask to be loaded at once.

    Parameters
    ----------
    size
        The file's size in bytes.
    stored
        How many of them take room on the disk; holes do not. All of them unless given.
    """

    def __init__(self, size: int, stored: int | None = None) -> None:
        self._most = spec.DEFLATE_RATIO * size
        room = size if stored is None else stored
        self._left = spec.BUDGET_BASE + spec.BUDGET_RATIO * room

    def allow(self, n_bytes: int, place: str) -> None:
        """Refuse a dataset that no compression brings into the file."""
        if n_bytes > self._most:
            raise refuse(
                f"its {n_bytes:,} bytes cannot be in a file of this size", "unsafe-budget", place
            )

    def spend(self, n_bytes: int, place: str) -> None:
        """Take from it, or refuse."""
        self._left -= n_bytes
        if self._left < 0:
            raise refuse(
                "it asks for more memory than a file of this size may", "unsafe-budget", place
            )


def check_dataset(
    facts: DatasetFacts, place: str, expected: spec.Dataset | None
) -> tuple[str, tuple[int, ...]]:
    """Check how a dataset is stored, its type and its extents; return type and shape."""
    if not facts.chunked or facts.n_external:
        raise refuse("its data are not stored in chunks in this file", "unsafe-storage", place)
    if any(not _is_deflate(*f) for f in facts.filters) or len(facts.filters) > 1:
        names = ", ".join(str(f[0]) for f in facts.filters)
        raise refuse(
            f"it is stored through filters {names}",
            "unsafe-filter",
            place,
            "one deflate or none is allowed",
        )
    if facts.skips_edges:
        raise refuse("chunks at its edges skip filters", "unsafe-filter", place)
    if facts.dtype is None or (expected is not None and facts.dtype != expected.dtype):
        wanted = expected.dtype if expected is not None else " or ".join(spec.ALLOWED_DTYPES)
        raise refuse(f"its type is not {wanted}", "unsafe-type", place)
    shape = facts.shape
    if shape is None or not 1 <= len(shape) <= spec.RANK or min(shape) < 1:
        raise refuse(f"its shape is {shape}", "unsafe-shape", place)
    if facts.max_shape != shape:
        raise refuse("its shape can grow", "unsafe-shape", place)
    if math.prod(shape) > spec.ELEMENTS:
        raise refuse(f"its shape is {shape}", "unsafe-shape", place)
    _check_chunk(facts.chunk, shape, int(facts.dtype[1]), place)
    return facts.dtype, shape


def chunk_table(
    facts: DatasetFacts, chunks: Iterable[ChunkFacts], dtype: str, ledger: Ledger, place: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Check every chunk of a dataset; return offsets, sizes and which are raw, in C order."""
    shape, chunk = facts.shape or (), facts.chunk
    number = Pieces(shape, chunk, 1).number
    grid = [-(-n // k) for n, k in zip(shape, chunk, strict=True)]
    raw_size = math.prod(chunk) * int(dtype[1])
    offsets, sizes = np.zeros(number, np.int64), np.zeros(number, np.int64)
    raw = np.zeros(number, np.bool_)
    missing = number
    for found in chunks:
        index = 0
        for position, step, n in zip(found.position, chunk, grid, strict=True):
            at, rest = divmod(position, step)
            if rest or at >= n:
                raise refuse("a chunk has no place in its shape", "unsafe-chunk", place)
            index = index * n + at
        if sizes[index]:
            raise refuse("two chunks have one place in its shape", "unsafe-chunk", place)
        raw[index] = _is_raw(found, bool(facts.filters), raw_size, place)
        ledger.claim(found.offset, found.size, place)
        offsets[index], sizes[index] = found.offset, found.size
        missing -= 1
    if missing:
        raise CorruptArchiveError(
            f"{missing} of its {number} chunks are missing",
            code="missing-chunk",
            place=place,
            consequence="the file is not whole",
        )
    return offsets, sizes, raw


def _is_deflate(identifier: int, flags: int, values: tuple[int, ...]) -> bool:
    return identifier == _DEFLATE and len(values) == 1 and values[0] <= 9


def _check_chunk(chunk: tuple[int, ...], shape: tuple[int, ...], itemsize: int, place: str) -> None:
    """Allow chunks that cut the values in C order, not too large and not too many."""
    if len(chunk) != len(shape) or any(not 1 <= k <= n for k, n in zip(chunk, shape, strict=True)):
        raise refuse(f"its chunks are {chunk}", "unsafe-chunk", place)
    cut = cut_axis(chunk)
    if chunk[cut + 1 :] != shape[cut + 1 :]:
        raise refuse(f"its chunks {chunk} do not follow C order", "unsafe-chunk", place)
    n_bytes = math.prod(chunk) * itemsize
    if n_bytes > spec.CHUNK_BYTES:
        raise refuse(f"its chunks have {n_bytes:,} bytes", "unsafe-chunk", place)
    if Pieces(shape, chunk, 1).number > 64 + math.prod(shape) * itemsize // spec.CHUNK_FLOOR:
        raise refuse("it has too many chunks", "unsafe-chunk", place)


def _is_raw(chunk: ChunkFacts, filtered: bool, raw_size: int, place: str) -> bool:
    """Tell whether a chunk is stored as it is; refuse one whose size does not say so."""
    if chunk.filter_mask not in (0, 1) or (chunk.filter_mask and not filtered):
        raise refuse("a chunk skips filters", "unsafe-filter", place)
    raw = not filtered or chunk.filter_mask == 1
    largest = raw_size if raw else raw_size + raw_size // 1000 + 64
    smallest = raw_size if raw else max(1, -(-raw_size // spec.DEFLATE_RATIO))
    if not smallest <= chunk.size <= largest:
        raise refuse(
            f"a chunk of {raw_size:,} bytes is stored in {chunk.size:,}", "unsafe-chunk", place
        )
    return raw
