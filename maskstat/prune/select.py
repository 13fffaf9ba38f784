"""Selection: exactly k are pruned, and ties have a rule.

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
    """Prune the `count` kept weights, or channels, with the lowest scores.

    Parameters
    ----------
    scores : floating (n,)
        Of what competes, in flat order; those of what is pruned already are not looked at.
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
        More than are left were to go, or a score is not a number.

    Examples
    --------
    >>> prune_lowest(np.array([3.0, 1.0, 1.0, 2.0]), np.ones(4, bool), 1).tolist()
    [True, True, False, True]
    """
    values = scores[kept]
    if not 0 <= count <= values.size:
        raise InputError(
            f"{count} were to be pruned of {values.size} that are left", code="bad-count"
        )
    if values.size and np.isnan(values.max()):
        raise InputError(
            "a score is not a number", code="bad-scores", consequence="scores cannot be ranked"
        )
    if count == 0:
        return kept.copy()
    values.partition(count - 1)
    cut = values[count - 1]
    tied = np.flatnonzero(kept & (scores == cut))
    remaining: BoolArray = kept & ~(scores < cut)
    n_tied = count - (values.size - int(np.count_nonzero(remaining)))
    remaining[tied[tied.size - n_tied :]] = False
    return remaining
