"""compressed-tensors' ``sparse-bitmask`` and ``sparse-24-bitmask``, in one file or sharded.

Beside ``P.compressed``, the kept values, lie ``P.bitmask``, a bit a weight with rows padded to
bytes, and ``P.shape``. P is the weight's name with or without ``.weight`` at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.probe import Probe
from maskstat.convert.refusals import damaged
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import PIECE_BYTES, StoredTensor
from maskstat.errors import CorruptArchiveError, InputError, printable

__all__ = ["matches", "read"]

_PARTS = ("bitmask", "shape", "compressed", "row_offsets")
_RANK = 16


class _Packed(NamedTuple):
    """One compressed tensor."""

    name: str
    shape: tuple[int, ...]
    bitmask: StoredTensor
    n_kept: int
    place: str

    def blocks(self) -> Iterator[BoolArray]:
        """Unpack the bits row by row, and see that they are as many as there are values."""
        width = self.shape[-1]
        row_bytes = -(-width // 8)
        kept, rest = 0, np.empty(0, np.uint8)
        for raw in _small(self.bitmask.pieces()):
            octets = np.concatenate([rest, raw]) if rest.size else raw
            n_rows = octets.size // row_bytes
            whole, rest = octets[: n_rows * row_bytes], octets[n_rows * row_bytes :].copy()
            flat = np.unpackbits(whole, bitorder="little").view(np.bool_)
            bits = flat.reshape(n_rows, 8 * row_bytes)
            if bits[:, width:].any():
                raise _damaged(f"'{printable(self.name)}' has bits set in its padding", self.place)
            kept += int(np.count_nonzero(bits))
            yield bits[:, :width].reshape(-1)
        if kept != self.n_kept:
            raise _damaged(
                f"'{printable(self.name)}' has {kept:,} bits set and {self.n_kept:,} values",
                self.place,
            )


def matches(probe: Probe) -> bool:
    """Tell whether there is a bitmask with its shape and values."""
    return bool(_prefixes(probe.tensors))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Take the bitmasks for masks.

    Raises
    ------
    CorruptArchiveError
        Bitmask, shape and values do not fit each other.
    InputError
        There is no bitmask, or none is chosen.
    """
    tensors = probe.tensors
    prefixes = _prefixes(tensors)
    chosen = {p: name for p, name in prefixes.items() if options.chooses(name)}
    if not chosen:
        raise InputError(
            "no bitmask in it is chosen" if prefixes else "it holds no bitmasks",
            code="no-masks",
            place=probe.place,
        )
    masks = [_packed(name, prefix, tensors, probe.place) for prefix, name in chosen.items()]
    taken = {f"{prefix}.{part}" for prefix in chosen for part in _PARTS}
    kinds = {f"{prefix}.row_offsets" in tensors for prefix in chosen}
    return Found(
        format="compressed-tensors",
        levels=[
            Level(masks=[TensorMask(name=m.name, shape=m.shape, blocks=m.blocks) for m in masks])
        ],
        unmatched=tuple(name for name in tensors if name not in taken),
        notes=tuple(
            "sparse-bitmask" if unstructured else "sparse-24-bitmask: two of four are kept always"
            for unstructured in sorted(kinds)
        ),
    )


def _prefixes(tensors: Mapping[str, StoredTensor]) -> dict[str, str]:
    """Return the prefix of each compressed tensor and the name of the weight that it is."""
    found: dict[str, str] = {}
    for name in tensors:
        prefix = name.removesuffix(".bitmask")
        if prefix != name and all(f"{prefix}.{part}" in tensors for part in _PARTS[:3]):
            found[prefix] = prefix if prefix.endswith(".weight") else f"{prefix}.weight"
    return found


def _packed(name: str, prefix: str, tensors: Mapping[str, StoredTensor], place: str) -> _Packed:
    bitmask, stored = tensors[f"{prefix}.bitmask"], tensors[f"{prefix}.shape"]
    shape = _shape(stored, name, place)
    n_bytes = math.prod(shape[:-1]) * -(-shape[-1] // 8)
    if bitmask.encoding.name != "U8" or bitmask.size != n_bytes:
        raise _damaged(
            f"the bitmask of '{printable(name)}' is not that of the shape {shape}", place
        )
    return _Packed(name, shape, bitmask, tensors[f"{prefix}.compressed"].size, place)


def _shape(stored: StoredTensor, name: str, place: str) -> tuple[int, ...]:
    """Read the shape, which is (n,) or (n, 1) numbers."""
    if stored.encoding.kind != "int" or not 1 <= stored.size <= _RANK:
        raise _damaged(f"the shape of '{printable(name)}' is not one", place)
    shape = tuple(int(n) for piece in stored.pieces() for n in piece)
    if any(not 1 <= n < 1 << 45 for n in shape):
        raise _damaged(f"the shape of '{printable(name)}' is {shape}", place)
    return shape


def _small(pieces: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Cut pieces of bytes so that a byte's eight booleans make pieces of the usual size."""
    step = PIECE_BYTES // 8
    for piece in pieces:
        for start in range(0, piece.size, step):
            yield piece[start : start + step]


def _damaged(fact: str, place: str) -> CorruptArchiveError:
    return damaged(fact, "corrupt-bitmask", place)
