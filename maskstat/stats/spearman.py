"""Spearman's rank correlation of initial and final weights, exact in its ties, for 1e8 weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, copysign, exp, isqrt, lgamma, log, log1p, sqrt, tanh
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.errors import InputError, LayoutMismatchError
from maskstat.stats._ranks import LARGEST, as_float32, blocks, readable, twice_ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from maskstat.stats._ranks import Array

__all__ = [
    "Concordance",
    "RankCorrelation",
    "SpearmanResult",
    "correlation_log10_p",
    "rank_correlation",
    "spearman",
]

Reason: TypeAlias = Literal["constant", "n<3", "n<4", "perfect"]

NORMAL_975 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class SpearmanResult:
    """Spearman's rank correlation of two samples.

    Attributes
    ----------
    n
        How many pairs of values.
    rho
        Tie-averaged rank correlation, None where undefined.
    low95, high95
        Fisher-z interval; None for n < 4 and for a perfect correlation.
    log10_p
        log10 of the two-sided p of Student's t; None for n < 3 and for a perfect correlation,
        whose p by that approximation is zero.
    reason
        Why something is None: ``constant`` (a sample without two different values), ``n<3``,
        ``perfect`` (rho is 1 or -1 as far as float64 can say), ``n<4`` (no interval).
    """

    n: int
    rho: float | None
    low95: float | None
    high95: float | None
    log10_p: float | None
    reason: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concordance:
    """How alike two sets of weights are in order, in order of size, and in sign.

    Attributes
    ----------
    signed, magnitude
        Rank correlation of the weights and of their absolute values.
    signs_compared
        Weights that are nonzero in both.
    signs_agreeing
        Of those, how many have the same sign in both.
    sign_agreement
        The ratio of the two, None where no sign can be compared.
    expected_sign_agreement
        Its chance level, from the share of positive weights in each of the two.
    """

    signed: SpearmanResult
    magnitude: SpearmanResult
    signs_compared: int
    signs_agreeing: int
    sign_agreement: float | None
    expected_sign_agreement: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Initial against final weights, inside the mask and, as a control, over the whole layer.

    Attributes
    ----------
    kept
        Over the weights that the mask keeps.
    layer
        Over all weights of the layer.
    pruned_are_zero
        True where weights were pruned and the final value of every one of them is zero: `layer`
        then compares the mask as much as the weights. A control needs the weights from before.
    """

    kept: Concordance
    layer: Concordance
    pruned_are_zero: bool


def spearman(x: ArrayLike, y: ArrayLike) -> SpearmanResult:
    """Correlate the ranks of two samples.

    Parameters
    ----------
    x, y
        Samples of one shape, any dimension. float32 and float16 are ranked in their own
        precision, uint16 is read as the bit patterns of bfloat16, anything else as float64.

    Returns
    -------
    SpearmanResult
        The correlation, a 95 % interval and log10 of the two-sided p.

    Raises
    ------
    LayoutMismatchError
        The shapes differ.
    InputError
        A value is not finite, not a real number, or there are more than 2**31 - 1.

    Notes
    -----
    Tied values share the mean of their ranks; -0.0 ties with 0.0. The sums over (doubled, hence
    whole) ranks are exact integers and rho is rounded once: it is 1 or -1 where the orders are
    the same or opposite, or within 1e-16 of that, as one swap in a million values is.
    p: t = rho sqrt((n-2)/(1-rho^2)) against Student's t with n-2 degrees of freedom.
    Interval: Fisher's z with the standard error sqrt((1 + rho^2/2)/(n-3)) of Bonett and Wright
    (2000), Psychometrika 65:23, equation 2.3. At 1e5 weights and more p says little: read rho
    and its interval.

    Peak memory beyond the inputs is 16 bytes a float32 weight, 10 a 16-bit one.

    Examples
    --------
    >>> spearman([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]).rho
    0.8
    """
    a, b = _paired(x, y)
    return _correlate(a, b)


def rank_correlation(
    initial: ArrayLike, final: ArrayLike, kept: NDArray[np.bool_]
) -> RankCorrelation:
    """Correlate the initial with the final weights of one layer.

    Parameters
    ----------
    initial, final
        Weights before and after training, of one shape; see `spearman` for their types.
    kept
        The mask, of the same shape, bool.

    Returns
    -------
    RankCorrelation
        Signed and magnitude correlation and sign agreement, inside the mask and over the layer.

    Raises
    ------
    LayoutMismatchError
        The shapes differ.
    InputError
        As for `spearman`.

    Notes
    -----
    Grosse and Backes (2020), section 3.2.3, correlate inside the mask. Keeping the largest final
    weights leaves out those near zero, which raises the signed correlation of what is left
    without any change to a weight. The value over the whole layer and the correlation of
    magnitudes, which selection hardly moves, tell that effect from a real one.

    Examples
    --------
    >>> import numpy as np
    >>> start = np.array([0.5, -0.1, 0.3, -0.4], dtype=np.float32)
    >>> end = np.array([0.9, 0.1, 0.2, -0.6], dtype=np.float32)
    >>> found = rank_correlation(start, end, np.array([True, False, True, True]))
    >>> found.kept.signed.rho, found.layer.signs_agreeing
    (1.0, 3)
    """
    a, b = _paired(initial, final)
    mask = np.asarray(kept)
    if mask.dtype != np.bool_:
        raise InputError(f"the mask has type {mask.dtype}, not bool", code="mask-type")
    if mask.shape != np.shape(initial):
        raise LayoutMismatchError(
            f"weights of shape {np.shape(initial)} and a mask of shape {mask.shape}",
            code="shape-mismatch",
        )
    mask = mask.ravel()
    inside = _concordance(a[mask], b[mask])
    return RankCorrelation(
        kept=inside, layer=_concordance(a, b), pruned_are_zero=_zero_where_pruned(b, mask)
    )


def correlation_log10_p(rho: float, n: int) -> float:
    """Give log10 of the two-sided p of a correlation, however small it is.

    Parameters
    ----------
    rho
        A correlation, strictly between -1 and 1.
    n
        How many pairs of values, at least 3.

    Returns
    -------
    float
        log10 p, at most 0.

    Notes
    -----
    p = I_{1-rho^2}((n-2)/2, 1/2), the regularized incomplete beta function, which is the tail of
    Student's t. The continued fraction of DiDonato and Morris (1992), ACM TOMS 18:360, equation 9,
    is multiplied by its prefactor in logs; where it converges slowly, one minus the function of
    the swapped arguments.

    Examples
    --------
    >>> round(correlation_log10_p(0.9, 1000), 6)
    -361.454031
    """
    a = (n - 2) / 2
    square = rho * rho
    if square == 0.0:
        return 0.0
    # ln of x^a (1-x)^(1/2) / B(a, 1/2) at x = 1 - rho^2
    front = a * log1p(-square) + log(abs(rho)) + _log_gamma_step(a) - 0.5 * log(np.pi)
    if 1.0 - square < (a + 1.0) / (a + 2.5):
        natural = front + log(_beta_fraction(a, 0.5, 1.0 - square, square))
    else:
        natural = log1p(-exp(front) * _beta_fraction(0.5, a, square, 1.0 - square))
    return min(0.0, natural / log(10.0))


def _correlate(x: Array, y: Array) -> SpearmanResult:
    n = x.size
    ranks_x = twice_ranks(x)
    ranks_y = twice_ranks(y)
    spread_x = _centred_dot(ranks_x, ranks_x)
    spread_y = _centred_dot(ranks_y, ranks_y)
    if n < 2 or not spread_x or not spread_y:
        return _undefined(n, None, "n<3" if n < 2 else "constant")
    rho = _cosine(_centred_dot(ranks_x, ranks_y), spread_x, spread_y)
    if n < 3:
        return _undefined(n, rho, "n<3")
    if abs(rho) == 1.0:
        return _undefined(n, rho, "perfect")
    log10_p = correlation_log10_p(rho, n)
    if n < 4:
        return SpearmanResult(n=n, rho=rho, low95=None, high95=None, log10_p=log10_p, reason="n<4")
    reach = NORMAL_975 * sqrt((1 + rho * rho / 2) / (n - 3))
    return SpearmanResult(
        n=n,
        rho=rho,
        low95=tanh(atanh(rho) - reach),
        high95=tanh(atanh(rho) + reach),
        log10_p=log10_p,
        reason=None,
    )


def _undefined(n: int, rho: float | None, reason: Reason) -> SpearmanResult:
    return SpearmanResult(n=n, rho=rho, low95=None, high95=None, log10_p=None, reason=reason)


def _paired(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(x), np.asarray(y)
    if a.shape != b.shape:
        raise LayoutMismatchError(
            f"two samples of shapes {a.shape} and {b.shape}",
            code="shape-mismatch",
            consequence="a rank correlation pairs value with value",
        )
    if a.size > LARGEST:
        raise InputError(
            f"{a.size} values", code="too-many-values", consequence=f"the limit is {LARGEST}"
        )
    return readable(a), readable(b)


def _centred_dot(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> int:
    """Exact sum of products of doubled ranks after their common mean is taken away."""
    mean = a.size + 1
    total = 0
    for block in blocks(a.size):
        u = a[block].astype(np.int64) - mean
        v = b[block].astype(np.int64) - mean
        total += (int((u >> 16) @ v) << 16) + int((u & 0xFFFF) @ v)
    return total


def _cosine(product: int, square_a: int, square_b: int) -> float:
    """Give product / sqrt(square_a square_b) of exact integers, rounded once."""
    places = 128
    root = isqrt((product * product << 2 * places) // (square_a * square_b))
    return copysign(root / (1 << places), product)


def _concordance(a: Array, b: Array) -> Concordance:
    compared = agreeing = positive_a = positive_b = 0
    for block in blocks(a.size):
        sign_a, sign_b = _signs(a[block]), _signs(b[block])
        both = (sign_a != 0) & (sign_b != 0)
        compared += int(np.count_nonzero(both))
        agreeing += int(np.count_nonzero(both & (sign_a == sign_b)))
        positive_a += int(np.count_nonzero(both & (sign_a > 0)))
        positive_b += int(np.count_nonzero(both & (sign_b > 0)))
    chance = positive_a * positive_b + (compared - positive_a) * (compared - positive_b)
    return Concordance(
        signed=_correlate(a, b),
        magnitude=_correlate(_magnitudes(a), _magnitudes(b)),
        signs_compared=compared,
        signs_agreeing=agreeing,
        sign_agreement=agreeing / compared if compared else None,
        expected_sign_agreement=chance / compared**2 if compared else None,
    )


def _signs(values: Array) -> NDArray[np.int8]:
    if values.dtype == np.uint16:
        values = as_float32(values)
    return (values > 0).astype(np.int8) - (values < 0).astype(np.int8)


def _magnitudes(values: Array) -> Array:
    if values.dtype == np.uint16:
        return values & np.uint16(0x7FFF)
    return np.abs(values)


def _zero_where_pruned(final: Array, kept: NDArray[np.bool_]) -> bool:
    if kept.all():
        return False
    return all(not _signs(final[b][~kept[b]]).any() for b in blocks(final.size))


def _log_gamma_step(a: float) -> float:
    """Give ln Gamma(a + 1/2) - ln Gamma(a)."""
    if a < 15.0:
        return lgamma(a + 0.5) - lgamma(a)
    s = 1.0 / (a * a)
    series = -1 / 8 + s * (1 / 192 - s * (1 / 640 - s * (17 / 14336 - s * 31 / 18432)))
    return 0.5 * log(a) + series / a


def _beta_fraction(a: float, b: float, x: float, y: float) -> float:
    """I_x(a, b) B(a, b) / (x^a y^b) with y = 1 - x given, by Lentz's method."""

    def denominator(m: int) -> float:
        tail = (a + m) * (a * y - b * x + 1 + m * (1 + y)) / (a + 2 * m + 1)
        return m + m * (b - m) * x / (a + 2 * m - 1) + tail if m else tail

    value = c = denominator(0)
    d = 0.0
    for m in range(1, 100_000):
        numerator = (a + m - 1) * (a + b + m - 1) * m * (b - m) * (x / (a + 2 * m - 1)) ** 2
        below = denominator(m)
        d = 1.0 / (below + numerator * d)
        c = below + numerator / c
        value *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return 1.0 / value
