"""Criteria: what is compared where a method prunes the smallest.

Those of Zhou et al. (2019), "Deconstructing Lottery Tickets", section 2, with their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import UsageError, closest, printable

__all__ = [
    "CRITERIA",
    "LARGE_FINAL",
    "Criterion",
    "FloatArray",
    "Scores",
    "Size",
    "criterion_named",
    "large_final",
]

FloatArray: TypeAlias = NDArray[np.float32]
Scores: TypeAlias = NDArray[np.floating[Any]]

Size: TypeAlias = Callable[[FloatArray], Scores]
"""Measures weights: |w| of each weight, or the norm of each channel."""

Criterion: TypeAlias = Callable[[Size, FloatArray, FloatArray], Scores]
"""Scores weights by a size, their values after training, and those before it."""


def large_final(size: Size, final: FloatArray, start: FloatArray) -> Scores:
    """Keep what is large after training: |w_f|."""
    return size(final)


def magnitude_increase(size: Size, final: FloatArray, start: FloatArray) -> Scores:
    """Keep what has grown: |w_f| - |w_i|."""
    grown: Scores = size(final) - size(start)
    return grown


def movement(size: Size, final: FloatArray, start: FloatArray) -> Scores:
    """Keep what has moved far: |w_f - w_i|."""
    return size(final - start)


def large_init(size: Size, final: FloatArray, start: FloatArray) -> Scores:
    """Keep what was large before training: |w_i|."""
    return size(start)


def small_final(size: Size, final: FloatArray, start: FloatArray) -> Scores:
    """Keep what is small after training: -|w_f|."""
    return -size(final)


LARGE_FINAL = "large-final"

CRITERIA: dict[str, Criterion] = {
    LARGE_FINAL: large_final,
    "magnitude-increase": magnitude_increase,
    "movement": movement,
    "large-init": large_init,
    "small-final": small_final,
}
"""For a structured method |.| is the method's norm of the channel, so that magnitude-increase
keeps the channels whose norm has grown and small-final those whose norm is small."""


def criterion_named(name: str) -> Criterion:
    """Return a criterion by its name.

    Raises
    ------
    UsageError
        There is no such criterion.

    Examples
    --------
    >>> final, start = np.float32([1, -3]), np.float32([-1, -2])
    >>> criterion_named("movement")(np.abs, final, start).tolist()
    [2.0, 1.0]
    """
    if name not in CRITERIA:
        raise UsageError(
            f"there is no criterion '{printable(name)}'",
            code="unknown-criterion",
            place="prune.criterion",
            consequence=closest(name, CRITERIA),
        )
    return CRITERIA[name]
