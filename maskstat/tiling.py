"""How many words of how many masks are held at once: the one place that decides it.

Every kernel works tile by tile, a tile being the same range of words of several masks. Tiles are
as large as the caches like them, and smaller where many masks or a limit on memory ask for it.
"""

from __future__ import annotations

from typing import NamedTuple

from maskstat.errors import UsageError

__all__ = ["LEAST_MEMORY", "MEMORY", "PITCH", "Tiling", "pair_tiling", "vote_tiling"]

MEMORY = 1 << 28
"""Bytes of buffers where nobody sets a limit."""

PITCH = 8
"""Words left free between the rows of a stack: rows a power of two apart share cache lines."""

_LEAST_WORDS = 1024  # shorter tiles spend their time in calls
_PAIR_WORDS = 65_536  # 512 KiB a mask: two masks and their counts stay in L2
_STACK_WORDS = 8_192  # 64 KiB a mask: a stack of dozens stays in L3, a row of it in L2
_VOTE_WORDS = 16_384
_PARTNERS = 8  # tiles that are intersected with a mask in one call
_CALL = 17  # bytes in a call for a word of a partner: a copy, the intersection, its count

LEAST_MEMORY = _LEAST_WORDS * (8 * 3 + _CALL * _PARTNERS) + 8 * 2 * PITCH
"""Bytes for the shortest tile of two masks."""


class Tiling(NamedTuple):
    """How pairs of masks are counted.

    Parameters
    ----------
    masks
        Held at once.
    words
        Of each of them.
    partners
        Masks that one mask is intersected with in a call, if the tile has all its words.
    threads
        Each with such a stack of its own.
    """

    masks: int
    words: int
    partners: int
    threads: int


def pair_tiling(n_masks: int, *, limit: int | None = None, threads: int = 1) -> Tiling:
    """Decide on the tiles in which pairs of masks are counted.

    Parameters
    ----------
    n_masks
        How many masks there are.
    limit
        Most bytes of buffers, all threads together; by default `MEMORY`.
    threads
        How many there may be; fewer where the limit is small.

    Returns
    -------
    Tiling

    Raises
    ------
    UsageError
        The limit is below `LEAST_MEMORY`.

    Examples
    --------
    >>> pair_tiling(2).words, pair_tiling(35).words
    (65536, 8192)
    >>> pair_tiling(100, limit=10**6)
    Tiling(masks=100, words=1052, partners=8, threads=1)
    """
    room = _checked(limit)
    threads = min(threads, room // LEAST_MEMORY)
    room //= threads
    if n_masks <= 2 and room >= _PAIR_WORDS * (8 * 2 + _CALL):
        return Tiling(n_masks, _PAIR_WORDS, 1, threads)
    # One row more than masks, for the tile that a file hands over.
    words = (room - 8 * PITCH * n_masks) // (8 * (n_masks + 1) + _CALL * _PARTNERS)
    if words >= _LEAST_WORDS:
        return Tiling(n_masks, min(words, _STACK_WORDS), _PARTNERS, threads)
    masks = (room - (8 + _CALL * _PARTNERS) * _LEAST_WORDS) // (8 * (_LEAST_WORDS + PITCH))
    return Tiling(masks, _LEAST_WORDS, _PARTNERS, threads)


def vote_tiling(n_masks: int, *, limit: int | None = None, threads: int = 1) -> tuple[int, int]:
    """Decide on the tiles in which votes are counted.

    Parameters
    ----------
    n_masks
        How many masks vote. They are added up one after another: what is held grows with the
        logarithm of their number.
    limit
        Most bytes of buffers, all threads together; by default `MEMORY`.
    threads
        How many there may be; fewer where the limit is small.

    Returns
    -------
    tuple of int
        Words of a tile, and threads.

    Raises
    ------
    UsageError
        The limit is below `LEAST_MEMORY`.

    Examples
    --------
    >>> vote_tiling(30), vote_tiling(30, limit=10**6)
    ((16384, 1), (3472, 1))
    """
    room = _checked(limit)
    threads = min(threads, room // LEAST_MEMORY)
    # Of each counter bit two words that wait, then a slice and a branch; the operands; a table
    # of 32 intersections with their counts, half as long.
    held = 8 * (8 + 2 * n_masks.bit_length()) + 9 * 32 // 2
    return min(_VOTE_WORDS, room // threads // held), threads


def _checked(limit: int | None) -> int:
    """Return the bytes that may be used, if they are enough to work with."""
    if limit is not None and limit < LEAST_MEMORY:
        raise UsageError(
            f"{limit:,} bytes do not hold one tile of two masks",
            code="limit-too-small",
            place="--limit-memory",
            consequence=f"the least is {LEAST_MEMORY:,} bytes",
        )
    return MEMORY if limit is None else limit
