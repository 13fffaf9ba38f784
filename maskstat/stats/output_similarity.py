"""How alike two networks' outputs are: linear CKA and Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from maskstat.stats._rows import same_examples, same_shape, tile, tiles

if TYPE_CHECKING:
    from maskstat.stats._rows import Floats, Rows

__all__ = ["CkaResult", "OutputDistance", "linear_cka", "output_distance"]

ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class CkaResult:
    """Linear centred kernel alignment.

    Attributes
    ----------
    n
        Examples.
    debiased
        The estimate to read; may lie below 0 or above 1.
    biased
        The estimate of most papers, in [0, 1]; near 1 whenever n is not far above c.
    reason
        Why something is None: ``n<4``, ``constant`` (all examples get the same output), or
        ``no-pair`` (at most one example differs: nothing is left once the bias is removed).
    """

    n: int
    debiased: float | None
    biased: float | None
    reason: Literal["n<4", "constant", "no-pair"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDistance:
    """Euclidean distance between two networks' outputs.

    Attributes
    ----------
    n
        Examples.
    l2
        Frobenius norm of the difference over all examples; grows with the square root of n.
    rms
        Root mean square over examples of each example's Euclidean distance: l2 / sqrt(n).
    scale
        The same root mean square for the outputs themselves, both networks pooled.
    equal
        Whether rms <= tolerance * scale. A distance above zero alone proves nothing: summing in
        another order already moves float32 outputs by about 1e-6 of their scale.
    """

    n: int
    l2: float
    rms: float | None
    scale: float | None
    equal: bool


def linear_cka(x: Rows, y: Rows, *, center_rows: bool = False) -> CkaResult:
    """Compare two networks' outputs up to rotation, scale and shift.

    Parameters
    ----------
    x, y
        Outputs on the same n examples, shapes (n, p) and (n, q), read a tile of rows at a time.
    center_rows
        Take each example's mean output away first. Softmax ignores it, CKA does not: logits that
        differ only by a shift of each example can have a CKA near 0.

    Returns
    -------
    CkaResult
        Debiased and biased estimates, not clipped.

    Raises
    ------
    LayoutMismatchError
        Not the same examples.
    InputError
        A value is not finite, or the outputs are not two-dimensional.

    Notes
    -----
    Biased, Kornblith et al. (2019), ICML 97:3519, equation 5 with linear kernels:
    ||Y'X||^2 / (||X'X|| ||Y'Y||), columns centred, Frobenius norms. Debiased: every squared norm v
    becomes v - n/(n-2) sum_i |x_i|^2 |y_i|^2 + tr_x tr_y / ((n-1)(n-2)), which is proportional to
    the unbiased HSIC_1 of Song et al. (2012), JMLR 13:1393, equation 5. float64 throughout;
    memory O((p + q)^2), two passes over the rows.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 5.0], [3.0, 1.0], [0.0, 0.0]])
    >>> turned = 3 * x @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 7
    >>> round(linear_cka(x, turned).debiased, 12)
    1.0
    """
    n, p, q = same_examples(x, y)
    if n < 4:
        return CkaResult(n=n, debiased=None, biased=None, reason="n<4")
    centre_x, centre_y = _centring(x, center_rows), _centring(y, center_rows)
    if centre_x is None or centre_y is None:
        return CkaResult(n=n, debiased=None, biased=None, reason="constant")
    xy, xx, yy = np.zeros((p, q)), np.zeros((p, p)), np.zeros((q, q))
    norms = np.zeros(5)  # sums of |x|^2 |y|^2, |x|^4, |y|^4, |x|^2, |y|^2
    for rows in tiles(n, p + q):
        a, b = centre_x.apply(tile(x, rows)), centre_y.apply(tile(y, rows))
        xy += a.T @ b
        xx += a.T @ a
        yy += b.T @ b
        u, v = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
        norms += (u @ v, u @ u, v @ v, u.sum(), v.sum())
    squares = [float(np.vdot(m, m)) for m in (xy, xx, yy)]
    traces = (norms[3] * norms[4], norms[3] ** 2, norms[4] ** 2)
    product, own_x, own_y = (
        float(v - n / (n - 2) * s + t / ((n - 1) * (n - 2)))
        for v, s, t in zip(squares, norms[:3], traces, strict=True)
    )
    biased = squares[0] / sqrt(squares[1]) / sqrt(squares[2])
    if own_x <= ROUNDING * squares[1] or own_y <= ROUNDING * squares[2]:
        return CkaResult(n=n, debiased=None, biased=biased, reason="no-pair")
    debiased = product / sqrt(own_x) / sqrt(own_y)
    return CkaResult(n=n, debiased=debiased, biased=biased, reason=None)


def output_distance(x: Rows, y: Rows, *, tolerance: float = 1e-5) -> OutputDistance:
    """Measure how far apart two networks' outputs are.

    Parameters
    ----------
    x, y
        Outputs on the same n examples, both of shape (n, c).
    tolerance
        Up to which share of the outputs' own size a distance counts as none.

    Returns
    -------
    OutputDistance
        Frobenius distance (Grosse and Backes 2020, Figure 9) and distance per example.

    Raises
    ------
    LayoutMismatchError
        Not the same shape.
    InputError
        As for `linear_cka`.

    Examples
    --------
    >>> import numpy as np
    >>> output_distance(np.zeros((4, 2)), np.full((4, 2), 3.0)).l2
    8.48528137423857
    """
    n, c = same_shape(x, y)
    difference = size = 0.0
    for rows in tiles(n, 2 * c):
        a, b = tile(x, rows), tile(y, rows)
        difference += float(np.vdot(a - b, a - b))
        size += float(np.vdot(a, a) + np.vdot(b, b)) / 2
    return OutputDistance(
        n=n,
        l2=sqrt(difference),
        rms=sqrt(difference / n) if n else None,
        scale=sqrt(size / n) if n else None,
        equal=sqrt(difference) <= tolerance * sqrt(size),
    )


@dataclass(frozen=True, slots=True)
class _Centring:
    """How to take the columns' means away; also scales, so that no square over- or underflows."""

    first: Floats
    mean: Floats
    spread: float
    center_rows: bool

    def apply(self, values: Floats) -> Floats:
        centred: Floats = (_rows_centred(values, self.center_rows) - self.first) - self.mean
        return centred / self.spread


def _centring(x: Rows, center_rows: bool) -> _Centring | None:
    """First pass over the rows; None where they are all the same."""
    n, c = x.shape
    first = _rows_centred(tile(x, slice(0, 1)), center_rows)
    total = np.zeros(c)
    spread = largest = 0.0
    for rows in tiles(n, c):
        values = tile(x, rows)
        away = _rows_centred(values, center_rows) - first
        total += away.sum(axis=0)
        spread = max(spread, float(np.abs(away).max()))
        largest = max(largest, float(np.abs(values).max()))
    noise = ROUNDING * largest if center_rows else 0.0
    return None if spread <= noise else _Centring(first, total / n, spread, center_rows)


def _rows_centred(values: Floats, wanted: bool) -> Floats:
    if not wanted:
        return values
    centred: Floats = values - values[:, :1]
    centred -= centred.mean(axis=1, keepdims=True)
    return centred
