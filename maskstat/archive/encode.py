"""How a chunk is stored: as it is, or by the deflate that makes it smallest."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["Encoder", "encode_chunk", "least_gain"]

_HUFFMAN = (1, zlib.Z_HUFFMAN_ONLY)
_RUNS = (1, zlib.Z_RLE)
_MATCHES = (4, zlib.Z_DEFAULT_STRATEGY)

_WORTH = 0.9
"""Compressed has to be this much smaller: reading raw chunks is some 25 times faster."""
_LARGE_ROW = 64 << 20
_WORTH_LARGE = 0.5
"""In large rows, where raw chunks go at the disk's speed, and others at a fraction of it."""
_SLOW = 0.95
"""And matching, several times slower to write, this much smaller again."""
_SMALL = 128
_MEMORY = 9
_SAMPLE = 16_384
_SLICES = 4


def least_gain(row_bytes: int) -> float:
    """Return how small a chunk has to become to be stored compressed, as a share of it.

    Examples
    --------
    >>> least_gain(7_000_000), least_gain(125_000_000)
    (0.9, 0.5)
    """
    return _WORTH_LARGE if row_bytes >= _LARGE_ROW else _WORTH


def encode_chunk(data: bytes | bytearray | memoryview, *, worth: float = _WORTH) -> bytes | None:
    """Compress one chunk the best way, or say that it stays raw.

    Random bits of density d take 1.02 times their entropy by Huffman codes alone at d = 0.2, and
    runs do better than matches below 0.02; above 0.3 raw is nearly as small. Regular masks are
    the ones that gain from matches. Which it is, is tried on a sample of 16 KiB.

    Parameters
    ----------
    data
        One chunk.
    worth
        What `least_gain` says.

    Returns
    -------
    bytes or None
        A zlib stream; None where it would not be as small as is worth it.

    Examples
    --------
    >>> len(encode_chunk(bytes(100_000))) < 500
    True
    """
    view = memoryview(data).cast("B")
    if len(view) < _SMALL:
        return None
    way = _MATCHES if len(view) < _SAMPLE // _SLICES else _best_way(_sample(view), worth)
    packed = None if way is None else _deflate(view, way)
    return packed if packed is not None and len(packed) <= worth * len(view) else None


class Encoder:
    """Encodes the chunks of one dataset, one like the last without doing it again.

    Of a dense row all chunks are alike. Safe to use from several threads.

    Parameters
    ----------
    worth
        What `least_gain` says.

    Examples
    --------
    >>> encoder = Encoder()
    >>> encoder(bytes(100_000)) is encoder(bytes(100_000))
    True
    """

    def __init__(self, *, worth: float = _WORTH) -> None:
        self._worth = worth
        self._last: tuple[NDArray[np.uint8], bytes | None] = (np.empty(0, np.uint8), None)

    def __call__(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return what `encode_chunk` returns; the data may not change afterwards."""
        (same, packed), octets = self._last, np.frombuffer(data, np.uint8)
        if not np.array_equal(octets, same):
            packed = encode_chunk(data, worth=self._worth)
            self._last = octets, packed
        return packed


def _best_way(sample: bytes | memoryview, worth: float) -> tuple[int, int] | None:
    sizes = {way: len(_deflate(sample, way)) for way in (_HUFFMAN, _RUNS)}
    sizes[_MATCHES] = int(len(_deflate(sample, _MATCHES)) / _SLOW)
    best = min(sizes, key=sizes.__getitem__)
    return best if sizes[best] <= worth * len(sample) else None


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
