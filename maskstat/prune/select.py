"""Selection: exactly k weights are pruned, and ties have a rule.

The rule, here and nowhere else: the lowest scores are pruned first; among equal scores the higher
flat index is pruned first; what is pruned never comes back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.errors import InputError

__all__ = ["prune_lowest"]


def prune_lowest(scores: NDArray[np.floating[Any]], kept: BoolArray, count: int) -> BoolArray:
    """Prune the `count` kept weights with the lowest scores.

    Parameters
    ----------
    scores : floating (n,)
        Of the weights that compete, in flat order; those of pruned weights are not looked at.
    kept : bool (n,)
        What is kept so far; left as it is.
    count
        How many to prune, at most the number kept.

    Returns
    -------
    bool (n,)
        What is kept afterwards: exactly `count` fewer.

    Raises
    ------
    InputError
        More weights than are left were to go, or a score is not a number.

    Examples
    --------
    >>> prune_lowest(np.array([3.0, 1.0, 1.0, 2.0]), np.ones(4, bool), 1).tolist()
    [True, True, False, True]
    """
    candidates = np.flatnonzero(kept)
    if not 0 <= count <= candidates.size:
        raise InputError(
            f"{count} weights were to be pruned of {candidates.size} that are left",
            code="bad-count",
        )
    values = scores[candidates]
    if np.isnan(values).any():
        raise InputError(
            "a score is not a number", code="bad-scores", consequence="weights cannot be ranked"
        )
    remaining = kept.copy()
    if count == 0:
        return remaining
    cut = np.partition(values, count - 1)[count - 1]
    below = values < cut
    tied = np.flatnonzero(values == cut)
    n_tied = count - int(np.count_nonzero(below))
    remaining[candidates[below]] = False
    remaining[candidates[tied[tied.size - n_tied :]]] = False
    return remaining
