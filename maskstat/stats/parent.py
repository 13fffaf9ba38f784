"""Chance overlap of two masks that were both pruned from a common parent mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from maskstat.errors import InputError, LayoutMismatchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolArray = NDArray[np.bool_]

__all__ = ["ParentCounts", "parent_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentCounts:
    """What a test within the parent needs: the layer is as large as the parent.

    Parameters
    ----------
    size
        Weights that the parent keeps.
    kept_a, kept_b, shared
        Weights that each mask, and both, keep.
    """

    size: int
    kept_a: int
    kept_b: int
    shared: int


def parent_counts(
    parent: BoolArray, mask_a: BoolArray, mask_b: BoolArray, *, place: str = ""
) -> ParentCounts:
    """Count two masks of one layer inside the parent that both were pruned from.

    Parameters
    ----------
    parent, mask_a, mask_b
        Bool arrays of one shape.
    place
        Where an error happened: the layer's name.

    Returns
    -------
    ParentCounts
        Under the null, the overlap is hypergeometric with (size, kept_a, kept_b).

    Raises
    ------
    LayoutMismatchError
        ``shape-mismatch``.
    InputError
        ``outside-parent``: a mask keeps a weight that the parent has pruned.

    Notes
    -----
    Two runs branched from one early mask share its choices. Given the parent, each is a uniform
    subset of it, so that only agreement after the branching counts.

    Examples
    --------
    >>> import numpy as np
    >>> parent = np.array([1, 1, 1, 0], bool)
    >>> parent_counts(parent, np.array([1, 1, 0, 0], bool), np.array([0, 1, 0, 0], bool))
    ParentCounts(size=3, kept_a=2, kept_b=1, shared=1)
    """
    for mask in (mask_a, mask_b):
        if mask.shape != parent.shape:
            raise LayoutMismatchError(
                f"the mask has shape {mask.shape}, its parent {parent.shape}",
                code="shape-mismatch",
                place=place,
            )
        outside = int(np.count_nonzero(mask > parent))
        if outside:
            raise InputError(
                f"a mask keeps {outside} weight(s) that the parent has pruned",
                code="outside-parent",
                place=place,
                consequence="the mask was not pruned from this parent",
                hint="name an earlier iteration as the parent, or use the layer null",
            )
    return ParentCounts(
        size=int(np.count_nonzero(parent)),
        kept_a=int(np.count_nonzero(mask_a)),
        kept_b=int(np.count_nonzero(mask_b)),
        shared=int(np.count_nonzero(mask_a & mask_b)),
    )
