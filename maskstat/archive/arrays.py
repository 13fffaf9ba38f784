"""Arrays that stay in the file until they are asked for, and are checked before they are used."""

from __future__ import annotations

import hashlib
import math
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from maskstat.archive import spec
from maskstat.archive.chunks import ChunkedBytes
from maskstat.errors import CorruptArchiveError

__all__ = ["FileArray"]


class FileArray:
    """An array in an archive.

    Indexing reads what the first axis, and behind a single row the second, selects. The first use
    checks the whole array against its digest; up to 32 MiB that is the same reading, above it
    a pass of its own.

    Parameters
    ----------
    values
        The array's bytes.
    dtype
        Little-endian NumPy name.
    shape
        Its shape.
    sha256
        The digest of its bytes, hexadecimal.
    place
        Named in errors.
    """

    def __init__(
        self, values: ChunkedBytes, dtype: str, shape: tuple[int, ...], sha256: str, place: str
    ) -> None:
        self._values = values
        self.dtype = np.dtype(f"<{dtype}")
        self.shape = shape
        self._sha256 = sha256
        self._place = place
        self._checked = False
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Read a part, as NumPy would index it."""
        keys = key if isinstance(key, tuple) else (key,)
        if keys and isinstance(keys[0], int | np.integer):
            row = range(self.shape[0])[int(keys[0])]
            inner = math.prod(self.shape[1:])
            if len(keys) > 1 and isinstance(keys[1], slice) and (keys[1].step or 1) > 0:
                lo, hi, step = keys[1].indices(self.shape[1])
                deep = inner // self.shape[1]
                flat = self._read(row * inner + lo * deep, row * inner + max(lo, hi) * deep)
                part = flat.reshape(-1, *self.shape[2:])
                return part[(slice(None, None, step), *keys[2:])]
            whole = self._read(row * inner, (row + 1) * inner).reshape(self.shape[1:])
            return whole[keys[1:]]
        if keys and isinstance(keys[0], slice) and (keys[0].step or 1) > 0:
            lo, hi, step = keys[0].indices(self.shape[0])
            inner = math.prod(self.shape[1:])
            part = self._read(lo * inner, max(lo, hi) * inner).reshape(-1, *self.shape[1:])
            return part[(slice(None, None, step), *keys[1:])]
        values: NDArray[Any] = self._all()[key]
        return values

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        values: NDArray[Any] = self._all().astype(dtype or self.dtype, copy=bool(copy))
        return values

    def check(self) -> None:
        """Check the array against its digest, once.

        Raises
        ------
        CorruptArchiveError
            It is not what was written.
        """
        with self._lock:
            if not self._checked:
                self._compare(self._values.sha256())

    def _all(self) -> NDArray[Any]:
        return self._read(0, math.prod(self.shape)).reshape(self.shape)

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        """Read elements `start` to `stop` of the flat array into an array of the caller's own."""
        part = self._view(start, stop)
        return part if part.flags.writeable and part.base is None else part.copy()

    def _view(self, start: int, stop: int) -> NDArray[Any]:
        size = self.dtype.itemsize
        if not self._checked and self._values.n_bytes <= spec.ROW_IN_MEMORY:
            with self._lock:
                whole = self._values.read_all()
                self._compare(hashlib.sha256(whole.data).hexdigest())
            return whole[start * size : stop * size].view(self.dtype)
        self.check()
        if stop <= start:
            return np.empty(0, self.dtype)
        return self._values.read(start * size, stop * size).view(self.dtype)

    def _compare(self, found: str) -> None:
        if found != self._sha256:
            raise CorruptArchiveError(
                "content does not match its digest",
                code="corrupt-digest",
                place=self._place,
                consequence="the file is damaged",
            )
        self._checked = True
