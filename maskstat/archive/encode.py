"""How a chunk is stored: as it is, or by the deflate that makes it smallest."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["Encoder", "encode_chunk", "share_limit"]

_HUFFMAN = (1, zlib.Z_HUFFMAN_ONLY)
_RUNS = (1, zlib.Z_RLE)
_MATCHES = (4, zlib.Z_DEFAULT_STRATEGY)

_LIMIT = 0.9
"""Larger shares of a chunk are not worth it: reading raw chunks is some 25 times faster."""
_LARGE_ROW = 64 << 20
_LARGE_ROW_LIMIT = 0.5
"""In large rows, where raw chunks go at the disk's speed, and others at a fraction of it."""
_MATCHING = 0.95
"""Matching, several times slower to write, has to be this much smaller than the other ways."""
_SMALL = 128
_MEMORY = 9
_SAMPLE = 16_384
_SLICES = 4


def share_limit(row_bytes: int) -> float:
    """Return the largest share of a chunk's size at which it is stored compressed.

    Parameters
    ----------
    row_bytes
        Bytes of a row of the dataset, of which chunks are parts or several.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> share_limit(7_000_000), share_limit(125_000_000)
    (0.9, 0.5)
    """
    return _LARGE_ROW_LIMIT if row_bytes >= _LARGE_ROW else _LIMIT


def encode_chunk(data: bytes | bytearray | memoryview, *, limit: float = _LIMIT) -> bytes | None:
    """Compress one chunk the best way, or say that it stays raw.

    Random bits of density d take 1.02 times their entropy by Huffman codes alone at d = 0.2, and
    runs do better than matches below 0.02; above 0.3 raw is nearly as small. Regular masks are
    the ones that gain from matches. Which it is, is tried on a sample of 16 KiB.

    Parameters
    ----------
    data
        One chunk.
    limit
        What `share_limit` says.

    Returns
    -------
    bytes or None
        A zlib stream; None where it would be a larger share of the chunk.

    Examples
    --------
    >>> len(encode_chunk(bytes(100_000))) < 500
    True
    """
    view = memoryview(data).cast("B")
    if len(view) < _SMALL:
        return None
    way = _MATCHES if len(view) < _SAMPLE // _SLICES else _best_way(_sample(view), limit)
    packed = None if way is None else _deflate(view, way)
    return packed if packed is not None and len(packed) <= limit * len(view) else None


class Encoder:
    """Encodes the chunks of one dataset, one like the last without doing it again.

    Of a dense row all chunks are alike. Safe to use from several threads.

    Parameters
    ----------
    limit
        What `share_limit` says.

    Examples
    --------
    >>> encoder = Encoder()
    >>> encoder(bytes(100_000)) is encoder(bytes(100_000))
    True
    """

    def __init__(self, *, limit: float = _LIMIT) -> None:
        self._limit = limit
        self._last: tuple[NDArray[np.uint8], bytes | None] = (np.empty(0, np.uint8), None)

    def __call__(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return what `encode_chunk` returns; the data may not change afterwards."""
        (same, packed), octets = self._last, np.frombuffer(data, np.uint8)
        if not np.array_equal(octets, same):
            packed = encode_chunk(data, limit=self._limit)
            self._last = octets, packed
        return packed


def _best_way(sample: bytes | memoryview, limit: float) -> tuple[int, int] | None:
    sizes = {way: len(_deflate(sample, way)) for way in (_HUFFMAN, _RUNS)}
    sizes[_MATCHES] = int(len(_deflate(sample, _MATCHES)) / _MATCHING)
    best = min(sizes, key=sizes.__getitem__)
    return best if sizes[best] <= limit * len(sample) else None


def _sample(view: memoryview) -> bytes | memoryview:
    if len(view) <= _SAMPLE:
        return view
    length = _SAMPLE // _SLICES
    step = (len(view) - length) // (_SLICES - 1)
    return b"".join(view[i * step : i * step + length] for i in range(_SLICES))


def _deflate(data: bytes | memoryview, way: tuple[int, int]) -> bytes:
    level, strategy = way
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, strategy)
    return packer.compress(data) + packer.flush()
