"""Chance overlap when each neuron keeps as many weights as it does.

Two masks can overlap beyond the layer's chance only because both keep more weights at the same
neurons: at the centre of the image, say. Here a layer is a matrix with one row per output unit and
one column per input weight position: for a linear layer an input unit, for a convolution an input
channel at one place in the kernel (in a grouped convolution, within the group). The nulls:

- ``row``: each row of each mask is uniform given how many weights it keeps;
- ``column``: the same for columns.

Both at once is `maskstat.stats.margins`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from maskstat.errors import LayoutMismatchError
from maskstat.stats.hypergeometric import support
from maskstat.stats.stratified import log_tails_total, moments_total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolArray = NDArray[np.bool_]
    Counts = NDArray[np.int64]

__all__ = ["UnitNull", "kept_per_unit", "unit_null"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitNull:
    """The overlap of two masks, and its law given the kept weights of every row or column.

    Parameters
    ----------
    by
        ``row`` or ``column``.
    shared
        Weights that both masks keep.
    mean, variance, third_cumulant
        Of the number of shared weights. Exact.
    log_p_le, log_p_ge
        Natural logarithms of P(X <= shared) and P(X >= shared), both tails including the value.
    fixed
        Shared weights of the units where only one overlap is possible.
    N, a, b
        Sizes of the other units and what each mask keeps there; the functions of
        `maskstat.stats.stratified` take them with ``shared - fixed``, for p-values and intervals.
    """

    by: Literal["row", "column"]
    shared: int
    mean: float
    variance: float
    third_cumulant: float
    log_p_le: float
    log_p_ge: float
    fixed: int
    N: Counts
    a: Counts
    b: Counts

    @property
    def z(self) -> float | None:
        """Distance from chance in standard deviations; None if only one overlap is possible."""
        return (self.shared - self.mean) / sqrt(self.variance) if self.variance > 0 else None


def kept_per_unit(mask: BoolArray, by: Literal["row", "column"]) -> Counts:
    """Count the kept weights of each row or column of a layer.

    Parameters
    ----------
    mask
        Bool mask of one layer, outputs first.
    by
        ``row``: one count per output unit. ``column``: one per input weight position.

    Returns
    -------
    ndarray of int64
        Counts in order.

    Examples
    --------
    >>> import numpy as np
    >>> kept_per_unit(np.array([[1, 1, 0], [1, 0, 0]], bool), "column").tolist()
    [2, 1, 0]
    """
    matrix = mask.reshape(mask.shape[0] if mask.ndim else 1, -1)
    return np.asarray(np.count_nonzero(matrix, axis=1 if by == "row" else 0), dtype=np.int64)


def unit_null(mask_a: BoolArray, mask_b: BoolArray, *, by: Literal["row", "column"]) -> UnitNull:
    """Test the overlap of two masks given how many weights each unit keeps.

    Parameters
    ----------
    mask_a, mask_b
        Bool masks of one layer, outputs first.
    by
        ``row`` or ``column``.

    Returns
    -------
    UnitNull
        Counts, moments and exact tails.

    Raises
    ------
    LayoutMismatchError
        ``shape-mismatch``.

    Notes
    -----
    The overlap is a sum over units of independent hypergeometrics (n, r1, r2), n weights a unit:
    mean sum r1 r2 / n, variance sum r1 r2 (n - r1)(n - r2) / (n^2 (n - 1)). Grosse & Backes (2020)
    condition on the layer's total only. If the excess over the layer null is mostly gone here, it
    was neurons of like density rather than like weights.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool)
    >>> null = unit_null(a, a, by="row")
    >>> null.shared, null.mean, round(float(np.exp(null.log_p_ge)), 6)
    (3, 1.25, 0.041667)
    """
    if mask_a.shape != mask_b.shape:
        raise LayoutMismatchError(
            f"masks of shapes {mask_a.shape} and {mask_b.shape} cannot be compared",
            code="shape-mismatch",
        )
    a, b = kept_per_unit(mask_a, by), kept_per_unit(mask_b, by)
    N = np.full_like(a, mask_a.size // max(a.size, 1))
    low, high = support(N, a, b)
    free = low < high
    fixed, shared = int(low[~free].sum()), int(np.count_nonzero(mask_a & mask_b))
    N, a, b = N[free], a[free], b[free]
    mean, variance, third = (float(moment) for moment in moments_total(N, a, b))
    at_most, at_least = log_tails_total(shared - fixed, N, a, b) if N.size else (0.0, 0.0)
    return UnitNull(
        by=by,
        shared=shared,
        mean=fixed + mean,
        variance=variance,
        third_cumulant=third,
        log_p_le=float(at_most),
        log_p_ge=float(at_least),
        fixed=fixed,
        N=N,
        a=a,
        b=b,
    )
