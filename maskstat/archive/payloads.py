"""What is written of a run: each dataset with its bytes by range, checked on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstat.archive.guard_members import AttributeValue
from maskstat.archive.pieces import array_chunk, mask_chunk
from maskstat.archive.rows import RowPass, padding
from maskstat.errors import InputError, printable
from maskstat.run import ArraySource, Run

__all__ = ["ArrayPayload", "BytesPayload", "MaskPayload", "Payload", "bad_run"]


class Payload(Protocol):
    """One dataset to be written."""

    @property
    def dtype(self) -> str:
        """Little-endian NumPy name."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The dataset's shape."""
        ...

    @property
    def chunk(self) -> tuple[int, ...]:
        """Its chunks' shape."""
        ...

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """Its attributes."""
        ...

    def read(self, start: int, stop: int) -> memoryview:
        """Return flat bytes `start` to `stop`; asked for once, in order, chunk by chunk."""
        ...


def bad_run(fact: str, run_id: str) -> InputError:
    """Build the error for a run that cannot be written."""
    return InputError(fact, code="bad-run", place=run_id, consequence="the run was not written")


@dataclass(frozen=True, slots=True)
class BytesPayload:
    """An array or text in memory.

    Parameters
    ----------
    values : any shape
        Little-endian, in C order.
    attributes
        Name to value.
    """

    values: NDArray[Any]
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        """Little-endian NumPy name."""
        return self.values.dtype.str[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        """The dataset's shape."""
        return self.values.shape

    @property
    def chunk(self) -> tuple[int, ...]:
        """Its chunks' shape."""
        return array_chunk(self.shape, self.values.dtype.itemsize)

    def read(self, start: int, stop: int) -> memoryview:
        """Return flat bytes `start` to `stop`."""
        return self.values.reshape(-1).view(np.uint8).data[start:stop]


@dataclass(frozen=True, slots=True)
class ArrayPayload:
    """An array that may lie in a file: read row by row, a long row in parts.

    Parameters
    ----------
    values
        The array.
    dtype
        Little-endian NumPy name; the values have this type already.
    run_id
        Named in errors.
    attributes
        Name to value.
    """

    values: ArraySource
    dtype: str
    run_id: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dataset's shape."""
        return tuple(int(n) for n in self.values.shape)

    @property
    def chunk(self) -> tuple[int, ...]:
        """Its chunks' shape."""
        return array_chunk(self.shape, int(self.dtype[1]))

    def read(self, start: int, stop: int) -> memoryview:
        """Return flat bytes `start` to `stop`."""
        shape = self.shape
        inner = math.prod(shape[1:]) * int(self.dtype[1])
        row, rest = divmod(start, inner)
        if len(shape) == 1 or (rest == 0 and stop - start >= inner):
            part = self.values[row : row + -(-(stop - start) // inner)]
        else:
            deep = inner // shape[1]
            part = self.values[row, rest // deep : -(-(rest + stop - start) // deep)]
            rest %= deep
        return self._bytes(part, rest if len(shape) > 1 else 0, stop - start)

    def _bytes(self, part: NDArray[Any], skip: int, length: int) -> memoryview:
        found = np.asarray(part)
        if found.dtype.newbyteorder("<") != np.dtype(f"<{self.dtype}"):
            raise bad_run(f"an array of type {found.dtype} where {self.dtype} belongs", self.run_id)
        flat = np.ascontiguousarray(found, f"<{self.dtype}").reshape(-1).view(np.uint8)
        return flat.data[skip : skip + length]


class MaskPayload:
    """The masks of a run, counted and hashed row by row as they are written.

    Parameters
    ----------
    run
        The run.
    """

    dtype = "u1"

    def __init__(self, run: Run) -> None:
        self._run = run
        self._row_bytes = 8 * run.layout.n_words
        self._tails = padding(run.layout)
        self._pass = RowPass(run.layout, self._tails)
        self.attributes: Mapping[str, AttributeValue] = {}
        self.digests: list[bytes] = []

    @property
    def shape(self) -> tuple[int, ...]:
        """One row an iteration."""
        return self._run.n_iterations, self._row_bytes

    @property
    def chunk(self) -> tuple[int, ...]:
        """Its chunks' shape."""
        return mask_chunk(*self.shape)

    def read(self, start: int, stop: int) -> memoryview:
        """Return flat bytes `start` to `stop`, which follow those of the last call.

        Raises
        ------
        InputError
            A row that ends in them is not what the run says.
        """
        parts: list[NDArray[np.uint8]] = []
        while start < stop:
            row, at = divmod(start, self._row_bytes)
            end = min(at + stop - start, self._row_bytes)
            words = self._run.masks.words(row, at // 8, end // 8)
            self._pass.add(words)
            if end == self._row_bytes:
                self._end_row(row)
            octets = np.ascontiguousarray(words, "<u8").view(np.uint8)
            parts.append(octets)
            start += end - at
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)).data

    def _end_row(self, row: int) -> None:
        found, run = self._pass.result(), self._run
        self._pass = RowPass(run.layout, self._tails)
        if found.stray:
            raise bad_run(
                f"iteration {row}: layer {printable(found.stray)} has bits set in its padding",
                run.run_id,
            )
        wrong = np.flatnonzero(found.kept != run.kept[row])
        if wrong.size:
            name = printable(run.layout.names[int(wrong[0])])
            raise bad_run(
                f"iteration {row}: layer {name} keeps {found.kept[wrong[0]]:,} weights "
                f"where the counts say {run.kept[row, wrong[0]]:,}",
                run.run_id,
            )
        self.digests.append(found.digest)
