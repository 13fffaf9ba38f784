"""Exact tie-averaged ranks: packed sorts for float32, counting for 16-bit numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BLOCK", "LARGEST", "Array", "as_float32", "blocks", "readable", "twice_ranks"]

Array: TypeAlias = NDArray[Any]

LARGEST = 2**31 - 1  # a doubled rank has to fit 32 bits
BLOCK = 1 << 15  # values of a tile; a tile's products of doubled ranks sum within int64
EXPONENT_16 = {"float16": 0x7C00, "uint16": 0x7F80}  # all ones: infinite or not a number


def blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Cut n values into tiles."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def readable(values: Array) -> Array:
    """Flatten, in float16, float32, float64 or as bfloat16 bit patterns."""
    if values.dtype.kind not in "fiub":
        raise InputError(f"values of type {values.dtype} are not real numbers", code="not-real")
    native = values.dtype.newbyteorder("=")
    coarse = native in (np.float16, np.float32, np.uint16)
    return np.ravel(values.astype(native if coarse else np.float64, copy=False))


def twice_ranks(values: Array) -> NDArray[np.uint32]:
    """Twice the tie-averaged rank (from 1) of every value: whole numbers."""
    if values.dtype == np.float64:
        return _ranks_by_argsort(values)
    if values.size < BLOCK:  # too few for a histogram of 65,536 bins to pay
        return _ranks_by_packed_sort(as_float32(values))
    narrow = _narrowed(values) if values.dtype == np.float32 else values
    return _ranks_by_packed_sort(values) if narrow is None else _ranks_by_counting(narrow)


def as_float32(values: Array) -> NDArray[np.float32]:
    """Widen 16-bit numbers; exact."""
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values.astype(np.float32, copy=False)


def _narrowed(values: NDArray[np.float32]) -> Array | None:
    """Give float32 values as bfloat16 or float16, if every one of them is one."""
    if all(not np.any(values[b].view(np.uint32) & 0xFFFF) for b in blocks(values.size)):
        return (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    with np.errstate(over="ignore", under="ignore"):
        if all(np.all(values[b].astype(np.float16) == values[b]) for b in blocks(values.size)):
            return values.astype(np.float16)
    return None


def _ranks_by_packed_sort(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Sort (order-preserving key, position) packed in 64 bits."""
    n = values.size
    packed = np.empty(n, dtype=np.uint64)
    for block in blocks(n):
        _check_finite(values[block])
        bits = (values[block] + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
        key = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
        packed[block] = key
        packed[block] <<= np.uint64(32)
        packed[block] |= np.arange(block.start, block.stop, dtype=np.uint64)
    packed.sort()
    ranks = np.empty(n, dtype=np.uint32)
    low = np.uint64(32)
    for block in blocks(n):
        keys = packed[block] >> low
        first = int(packed.searchsorted(keys[0] << low))
        last = int(packed.searchsorted((keys[-1] + np.uint64(1)) << low)) - 1
        place = (packed[block] & np.uint64(0xFFFFFFFF)).view(np.int64)
        ranks[place] = _ranks_of_sorted(keys, block.start, first, last)
    return ranks


def _ranks_by_argsort(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    n = values.size
    for block in blocks(n):
        _check_finite(values[block])
    order = np.argsort(values)
    ordered = values[order]
    ranks = np.empty(n, dtype=np.uint32)
    for block in blocks(n):
        keys = ordered[block]
        first = int(ordered.searchsorted(keys[0]))
        last = int(ordered.searchsorted(keys[-1], side="right")) - 1
        ranks[order[block]] = _ranks_of_sorted(keys, block.start, first, last)
    return ranks


def _ranks_of_sorted(keys: Array, start: int, first: int, last: int) -> NDArray[np.int64]:
    """Doubled ranks of one block of sorted keys; its end groups reach from first to last."""
    position = np.arange(start, start + keys.size)
    new = keys[1:] != keys[:-1]
    begin = np.full(keys.size, first)
    begin[1:] = np.where(new, position[1:], first)
    end = np.full(keys.size, last)
    end[:-1] = np.where(new, position[:-1], last)
    begin = np.maximum.accumulate(begin)
    end = np.minimum.accumulate(end[::-1])[::-1]
    ranks: NDArray[np.int64] = begin + end + 2
    return ranks


def _ranks_by_counting(values: Array) -> NDArray[np.uint32]:
    """Rank 16-bit floating point numbers by a histogram of their 65,536 bit patterns."""
    bits = values.view(np.uint16)
    counts = np.zeros(1 << 16, dtype=np.int64)
    for block in blocks(bits.size, 1 << 22):
        counts += np.bincount(bits[block], minlength=1 << 16)
    exponent = EXPONENT_16[values.dtype.name]
    if counts[(np.arange(1 << 16) & exponent) == exponent].any():
        raise _not_finite()
    counts[0] += counts[0x8000]  # -0.0 is 0.0
    counts[0x8000] = 0
    ascending = np.concatenate([np.arange(0xFFFF, 0x7FFF, -1), np.arange(0x8000)])
    ranks = np.empty(1 << 16, dtype=np.uint32)
    up_to = np.cumsum(counts[ascending])
    ranks[ascending] = 2 * up_to - counts[ascending] + 1
    ranks[0x8000] = ranks[0]
    return ranks[bits]


def _check_finite(values: Array) -> None:
    if not np.isfinite(values).all():
        raise _not_finite()


def _not_finite() -> InputError:
    return InputError(
        "a value is infinite or not a number",
        code="not-finite",
        consequence="such values have no rank",
        hint="look for the step at which training diverged",
    )
