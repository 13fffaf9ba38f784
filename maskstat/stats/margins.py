"""Chance overlap when every output and every input unit keeps as many weights as it does.

With the margins of a matrix fixed, the likeliest independent weights are kept with probability
P_ij = x_i y_j / (1 + x_i y_j). All weights between rows that keep equally many and columns that
keep equally many share one P, so everything is computed on the few classes of equal counts, not
on the matrix: a layer of 1e8 weights has a few hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from maskstat.errors import LayoutMismatchError
from maskstat.stats.chi_square import normal_log_sf
from maskstat.stats.units import kept_per_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    BoolArray = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Classes = NDArray[np.intp]

__all__ = ["MarginsNull", "margins_null"]

_TOLERANCE = 1e-6  # kept weights by which a fitted row or column may miss its count
_LARGEST_STEP = 2.0
_FARTHEST = 100.0  # log odds beyond which a weight is as good as certain


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginsNull:
    """The overlap of two masks, given the kept weights of every row and column. Approximate.

    Parameters
    ----------
    shared
        Weights that both masks keep.
    mean, variance
        Of the number of shared weights; the mean is within 0.3 sd, the sd within 3 % of a random
        walk over all matrices of the same margins.
    log_p_le, log_p_ge
        Natural logarithms of the tails of a normal law with this mean and variance, corrected for
        continuity. Approximate: not for counting decimal places.
    misfit
        Kept weights by which the worst fitted row or column misses its count.
    converged
        Whether that is negligible.
    note
        What these numbers are.
    """

    shared: int
    mean: float
    variance: float
    log_p_le: float
    log_p_ge: float
    misfit: float
    converged: bool
    note: str

    @property
    def z(self) -> float | None:
        """Distance from chance in standard deviations; None if only one overlap is possible."""
        return (self.shared - self.mean) / sqrt(self.variance) if self.variance > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """Kept probabilities of one mask on its classes of equal rows and equal columns."""

    row_class: Classes
    column_class: Classes
    kept: Floats
    correction: float
    misfit: float

    @property
    def spread(self) -> Floats:
        """Variance of a single weight."""
        return self.kept * (1.0 - self.kept)


def margins_null(mask_a: BoolArray, mask_b: BoolArray, *, max_iterations: int = 500) -> MarginsNull:
    """Compare two masks given the kept weights of every row and every column.

    Parameters
    ----------
    mask_a, mask_b
        Bool masks of one layer, outputs first; columns are input weight positions, as in
        `maskstat.stats.units`.
    max_iterations
        Rounds of the proportional fitting.

    Returns
    -------
    MarginsNull
        Observed overlap, mean, variance, approximate tails.

    Raises
    ------
    LayoutMismatchError
        ``shape-mismatch``.

    Notes
    -----
    With P and Q the fitted probabilities, V = P(1 - P), W = Q(1 - Q), the mean is sum P Q and the
    variance [sum V W + RSS_V(Q) + RSS_W(P)] R/(R - 1) C/(C - 1), where RSS_V(Q) is what remains of
    Q after the best sum of a row and a column effect under weights V. R and C count the rows and
    columns that are neither empty nor full.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> a, b = rng.random((2, 30, 40)) < 0.3
    >>> null = margins_null(a, b)
    >>> null.converged, abs(null.z) < 3
    (True, True)
    """
    if mask_a.shape != mask_b.shape:
        raise LayoutMismatchError(
            f"masks of shapes {mask_a.shape} and {mask_b.shape} cannot be compared",
            code="shape-mismatch",
        )
    a, b = _fit(mask_a, max_iterations), _fit(mask_b, max_iterations)
    rows = _joint(a.row_class, b.row_class, a.kept.shape[0], b.kept.shape[0])
    columns = _joint(a.column_class, b.column_class, a.kept.shape[1], b.kept.shape[1])
    mean = _total(rows, columns, a.kept, b.kept)
    variance = (
        _total(rows, columns, a.spread, b.spread) * sqrt(a.correction * b.correction)
        + _residual(rows, columns, a.spread, b.kept) * a.correction
        + _residual(rows.T, columns.T, b.spread, a.kept) * b.correction
    )
    shared = int(np.count_nonzero(mask_a & mask_b))
    sd = sqrt(variance)
    misfit = max(a.misfit, b.misfit)
    converged = misfit <= _TOLERANCE
    note = "row and column counts fixed: p is approximate (normal law)"
    return MarginsNull(
        shared=shared,
        mean=mean,
        variance=variance,
        log_p_le=normal_log_sf((mean - shared - 0.5) / sd) if sd > 0 else 0.0,
        log_p_ge=normal_log_sf((shared - 0.5 - mean) / sd) if sd > 0 else 0.0,
        misfit=misfit,
        converged=converged,
        note=note if converged else f"{note}; the fit misses a count by {misfit:.2g} weights",
    )


def _joint(a: Classes, b: Classes, n_a: int, n_b: int) -> Floats:
    """Count the rows (or columns) of each pair of classes, float64 (n_a, n_b)."""
    counts = np.bincount(a * n_b + b, minlength=n_a * n_b)
    return counts.reshape(n_a, n_b).astype(np.float64)


def _total(rows: Floats, columns: Floats, f: Floats, g: Floats) -> float:
    """Sum f g over all weights, f on the classes of A, g on those of B."""
    return float((rows * (f @ columns @ g.T)).sum())


def _residual(rows: Floats, columns: Floats, v: Floats, q: Floats) -> float:
    """Sum v (q - row effect - column effect)^2 over all weights, at the best effects.

    Weights v live on the classes of one mask, q on those of the other. A row effect depends on
    the row's class in both, but enters the columns' equations only summed over the latter.
    """
    n_rows, n_columns = rows.sum(axis=1), columns.sum(axis=1)
    weight = float(n_rows @ v @ n_columns)
    if weight <= 0:
        return 0.0
    q = q - _total(rows, columns, v, q) / weight
    by_row, by_column = v @ columns @ q.T, v.T @ rows @ q
    row_weight, column_weight = (np.maximum(w, 1e-300) for w in (v @ n_columns, v.T @ n_rows))
    row_sum, column_sum = (rows * by_row).sum(axis=1), (columns * by_column).sum(axis=1)
    column_effects = np.zeros_like(column_sum)
    for _ in range(200):
        row_effects = (row_sum - n_rows * (v @ column_effects)) / row_weight
        before = column_effects
        column_effects = (column_sum - n_columns * (v.T @ row_effects)) / column_weight
        change = np.abs(column_effects - before).max(initial=0.0)
        if change <= 1e-13 * np.abs(column_effects).max(initial=0.0):
            break
    row_effect = (by_row - (v @ column_effects)[:, None]) / row_weight[:, None]
    column_effect = (by_column - (v.T @ row_effects)[:, None]) / column_weight[:, None]
    explained = (rows * row_effect * by_row).sum() + (columns * column_effect * by_column).sum()
    return max(_total(rows, columns, v, q * q) - float(explained), 0.0)


def _fit(mask: BoolArray, max_iterations: int) -> _Fit:
    """Fit the kept probabilities of one mask to its margins."""
    r, row_class, n_rows = np.unique(
        kept_per_unit(mask, "row"), return_inverse=True, return_counts=True
    )
    c, column_class, n_columns = np.unique(
        kept_per_unit(mask, "column"), return_inverse=True, return_counts=True
    )
    kept, rows, columns, r, c = _settle(r, c, n_rows, n_columns)
    misfit = 0.0
    if rows.any():
        inner, misfit = _logistic_margins(
            r[rows].astype(np.float64),
            c[columns].astype(np.float64),
            n_rows[rows].astype(np.float64),
            n_columns[columns].astype(np.float64),
            max_iterations,
        )
        kept[np.ix_(rows, columns)] = inner
    R, C = int(n_rows[rows].sum()), int(n_columns[columns].sum())
    return _Fit(
        row_class=row_class,
        column_class=column_class,
        kept=kept,
        correction=R / (R - 1) * C / (C - 1) if rows.any() else 1.0,
        misfit=misfit,
    )


def _settle(
    r: Classes, c: Classes, n_rows: Classes, n_columns: Classes
) -> tuple[Floats, BoolArray, BoolArray, Classes, Classes]:
    """Fill empty and full rows and columns, again and again as others become so.

    Returns the probabilities set so far, the classes left free, and what these still have to keep.
    """
    kept = np.zeros((r.size, c.size))
    rows, columns = np.ones(r.size, bool), np.ones(c.size, bool)
    r, c = r.copy(), c.copy()
    while True:
        full = rows & (r == n_columns[columns].sum())
        kept[np.ix_(full, columns)] = 1.0
        c[columns] -= n_rows[full].sum()
        settled = full | (rows & (r == 0))
        rows &= ~settled
        full = columns & (c == n_rows[rows].sum())
        kept[np.ix_(rows, full)] = 1.0
        r[rows] -= n_columns[full].sum()
        done = full | (columns & (c == 0))
        columns &= ~done
        if not settled.any() and not done.any():
            return kept, rows, columns, r, c


def _logistic_margins(
    r: Floats, c: Floats, n_rows: Floats, n_columns: Floats, max_iterations: int
) -> tuple[Floats, float]:
    """Find 1 / (1 + exp(-u_i - v_j)) with row sums r and column sums c; also the worst miss."""
    R, C = n_rows.sum(), n_columns.sum()
    density = float(r @ n_rows) / (R * C)
    u = np.log(r / (C - r))
    v = np.log(c / (R - c)) - np.log(density / (1 - density))
    misfit = np.inf
    for _ in range(max_iterations):
        kept = _logistic(u, v)
        short_r = r - kept @ n_columns
        short_c = c - n_rows @ kept
        misfit = float(max(np.abs(short_r).max(), np.abs(short_c).max()))
        if misfit <= _TOLERANCE:
            break
        u += _newton(short_r, (kept * (1 - kept)) @ n_columns)
        kept = _logistic(u, v)
        v += _newton(c - n_rows @ kept, n_rows @ (kept * (1 - kept)))
    return kept, misfit


def _logistic(u: Floats, v: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(np.clip(-(u[:, None] + v), -_FARTHEST, _FARTHEST)))


def _newton(short: Floats, slope: Floats) -> Floats:
    """Return a damped Newton step."""
    return np.clip(short / np.maximum(slope, 1e-300), -_LARGEST_STEP, _LARGEST_STEP)
