"""Tensors in a file, whatever the file: name, shape, encoding, and their raw bits piece by piece.

Zeros, and zeros and ones, are recognised by the raw bits, so bfloat16 and float8 need no type of
NumPy's, and nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.source import Source
from maskstat.bits import BoolArray
from maskstat.convert.found import TensorMask
from maskstat.convert.refusals import unsafe
from maskstat.errors import InputError, printable

__all__ = [
    "ENCODINGS",
    "PIECE_BYTES",
    "Encoding",
    "RawPieces",
    "StoredTensor",
    "encoding_of",
    "read_pieces",
]

PIECE_BYTES = 1 << 20
"""What is read of a tensor at once; whole words of mask come of it for every encoding."""

_WHOLE = 1 << 26
_WHOLE_RATIO = 100
"""Longer tensors are held whole if they are not compressed more than weights ever are."""

RawPieces: TypeAlias = Callable[[], Iterator[NDArray[Any]]]
"""Opens a pass over a tensor: unsigned integers in C order, each piece valid until the next."""


class Encoding(NamedTuple):
    """How numbers are written as bits.

    Parameters
    ----------
    name
        As safetensors files have it.
    bits
        Of one number.
    kind
        ``packed`` numbers have no byte of their own; a ``scale`` cannot be zero.
    value
        The bits that are all 0 in a zero: without the sign, where zero has one.
    one
        The bits of the number 1.
    """

    name: str
    bits: int
    kind: Literal["float", "int", "bool", "scale", "packed"]
    value: int
    one: int

    @property
    def raw(self) -> np.dtype[Any]:
        """The little-endian unsigned integers that hold the raw bits."""
        return np.dtype(f"<u{max(self.bits, 8) // 8}")


def _encodings() -> dict[str, Encoding]:
    table = [
        Encoding("F64", 64, "float", (1 << 63) - 1, 0x3FF0_0000_0000_0000),
        Encoding("F32", 32, "float", (1 << 31) - 1, 0x3F80_0000),
        Encoding("F16", 16, "float", 0x7FFF, 0x3C00),
        Encoding("BF16", 16, "float", 0x7FFF, 0x3F80),
        Encoding("F8_E4M3", 8, "float", 0x7F, 0x38),
        Encoding("F8_E5M2", 8, "float", 0x7F, 0x3C),
        # Without a negative zero: 0x80 is the NaN.
        Encoding("F8_E4M3FNUZ", 8, "float", 0xFF, 0x40),
        Encoding("F8_E5M2FNUZ", 8, "float", 0xFF, 0x40),
        Encoding("F8_E8M0", 8, "scale", 0xFF, 0x7F),
        Encoding("F6_E2M3", 6, "packed", 0x1F, 0x08),
        Encoding("F6_E3M2", 6, "packed", 0x1F, 0x0C),
        Encoding("F4", 4, "packed", 0x7, 0x2),
        Encoding("BOOL", 8, "bool", 0xFF, 1),
        Encoding("C64", 64, "float", 0x7FFF_FFFF_7FFF_FFFF, 0x3F80_0000),
    ]
    for bits in (8, 16, 32, 64):
        table += [Encoding(f"{sign}{bits}", bits, "int", (1 << bits) - 1, 1) for sign in "IU"]
    return {encoding.name: encoding for encoding in table}


ENCODINGS = _encodings()
"""Every encoding by name."""


def encoding_of(dtype: np.dtype[Any]) -> Encoding | None:
    """Return the encoding of a NumPy type, None if it is none of numbers.

    Examples
    --------
    >>> encoding_of(np.dtype(">f4")).name, encoding_of(np.dtype("O"))
    ('F32', None)
    """
    letter = {"f": "F", "i": "I", "u": "U"}.get(dtype.kind)
    if dtype.kind == "b":
        return ENCODINGS["BOOL"]
    return None if letter is None else ENCODINGS.get(f"{letter}{8 * dtype.itemsize}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredTensor:
    """A tensor in a file.

    Parameters
    ----------
    name, shape, encoding
        The tensor's.
    pieces
        Its raw bits in C order.
    identity
        Equal for tensors that share their memory (tied weights), where the file tells.
    place
        The file, for errors.
    stored
        The bytes that it takes in the file, where it is compressed.
    """

    name: str
    shape: tuple[int, ...]
    encoding: Encoding
    pieces: RawPieces
    identity: Hashable = None
    place: str = ""
    stored: int | None = None

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def nonzero(self) -> Iterator[BoolArray]:
        """Tell which values are not zero: a negative zero is one, a NaN is not."""
        value = self._bits(self.encoding.value)
        for raw in self.pieces():
            yield raw.view(np.bool_) if self.encoding.kind == "bool" else (raw & value) != 0

    def binary(self) -> Iterator[BoolArray]:
        """Tell which values are 1, all being 0 or 1.

        Raises
        ------
        InputError
            One is not.
        """
        for raw in self.pieces():
            zero, one = self._binary(raw)
            if not (zero | one).all():
                raise InputError(
                    f"'{printable(self.name)}' holds other values than 0 and 1",
                    code="not-binary",
                    place=self.place,
                    consequence="a mask says kept or pruned, nothing between",
                    hint="--exclude it, or --from zeros if these are weights",
                )
            yield one

    def looks_binary(self, n_values: int = 1 << 16) -> bool:
        """Tell whether the first values are zeros and ones, some at least, and no weights."""
        if self.encoding.kind in ("packed", "scale") or not self.size:
            return False
        zero, one = self._binary(next(iter(self.pieces()))[:n_values])
        return bool((zero | one).all())

    def values(self) -> NDArray[np.float32]:
        """Return all values as float32 in the tensor's shape.

        Raises
        ------
        InputError
            The encoding is one that is only looked at for zeros, or it is a bomb.
        """
        self.check_whole()
        flat = np.empty(self.size, np.float32)
        at = 0
        for raw in self.pieces():
            flat[at : at + raw.size] = self._floats(raw)
            at += raw.size
        return flat.reshape(self.shape)

    def check_whole(self) -> None:
        """Refuse to hold in memory what a short file claims to have.

        Raises
        ------
        UnsafeArchiveError
        """
        n_bytes = 4 * self.size
        if self.stored is not None and n_bytes > max(_WHOLE, _WHOLE_RATIO * self.stored):
            raise unsafe(
                f"'{self.name}' is {self.stored:,} bytes and would become {n_bytes:,}",
                "unsafe-ratio",
                self.place,
            )

    def mask(self, how: Literal["nonzero", "binary"], *, name: str = "") -> TensorMask:
        """Return the mask that the values are, or that their zeros make."""
        blocks = self.nonzero if how == "nonzero" else self.binary
        return TensorMask(name=name or self.name, shape=self.shape, blocks=blocks)

    def _bits(self, value: int) -> NDArray[Any]:
        return np.array(value, self.encoding.raw)

    def _binary(self, raw: NDArray[Any]) -> tuple[BoolArray, BoolArray]:
        zero: BoolArray = (raw & self._bits(self.encoding.value)) == 0
        one: BoolArray = raw == self._bits(self.encoding.one)
        return zero, one

    def _floats(self, raw: NDArray[Any]) -> NDArray[Any]:
        encoding = self.encoding
        if encoding.name == "BF16":
            wide: NDArray[Any] = (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
            return wide
        if encoding.kind == "bool":
            kept: BoolArray = raw != 0
            return kept
        letter = {"F": "f", "I": "i", "U": "u"}.get(encoding.name[0], "")
        if not letter or encoding.name[1:] != str(encoding.bits):
            raise InputError(
                f"'{printable(self.name)}' has values of type {encoding.name}",
                code="unknown-dtype",
                place=self.place,
                consequence="they are not read as weights",
            )
        native = raw.astype(encoding.raw.newbyteorder("="), copy=False)
        floats: NDArray[Any] = native.view(f"{letter}{encoding.bits // 8}")
        return floats


def read_pieces(
    source: Source, offset: int, n_values: int, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Read consecutive raw values from a position of a file on, piece by piece."""
    step = PIECE_BYTES // dtype.itemsize
    buffer = np.empty(min(step, n_values), dtype)
    octets = buffer.view(np.uint8).data
    for start in range(0, n_values, step):
        n = min(step, n_values - start)
        source.read_into(offset + start * dtype.itemsize, octets[: n * dtype.itemsize])
        yield buffer[:n]
