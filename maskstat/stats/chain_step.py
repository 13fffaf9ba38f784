"""One step of a chain of intersections: from |M_1 & ... & M_i| to |M_1 & ... & M_{i+1}|."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.stats._stirling import deviance, log_factorial_remainder
from maskstat.stats.hypergeometric import excess, log_pmf

__all__ = ["log_moves"]

Floats: TypeAlias = NDArray[np.float64]


def log_moves(m: Floats, t: Floats, N: float, n: float) -> Floats:
    """Return ln P(T = t) for T ~ Hyp(N, m, n), for every pair of lattice points.

    Parameters
    ----------
    m : float64 (p,)
        Sizes before, ascending and evenly spaced.
    t : float64 (q,)
        Sizes after, ascending and evenly spaced.
    N, n
        Weights in the layer and in the mask that is intersected with.

    Returns
    -------
    float64 (p, q)

    Notes
    -----
    On two full lattices (step 1), where a narrow law needs the most points, the pairs are built
    from sequences: Hyp(t; N, m, n) = Bin(t; n, s) Bin(m - t; N - n, s) / Bin(m; N, s) for any s,
    and the middle term depends on m - t alone. s = m0/N at the middle of the lattice keeps the
    three near their modes.

    Examples
    --------
    >>> m, t = np.arange(4.0, 7.0), np.arange(2.0, 5.0)
    >>> np.allclose(log_moves(m, t, 10.0, 5.0), log_pmf(t[None, :], 10, m[:, None], 5))
    True
    """
    if min(m.size, t.size) < 2 or m[1] - m[0] != 1 or t[1] - t[0] != 1:
        return log_pmf(t[None, :], N, m[:, None], n)
    middle = min(max(m[m.size // 2], 1.0), N - 1.0)
    lost = m[0] - t[-1] + np.arange(m.size + t.size - 1.0)
    by_loss = _log_binomial(lost, N - n, middle, N)
    # Row i of the reversed windows is by_loss at m[i] - t[j].
    windows = np.lib.stride_tricks.sliding_window_view(by_loss, t.size)[:, ::-1]
    after, before = _log_binomial(t, n, middle, N), _log_binomial(m, N, middle, N)
    return np.asarray(windows + after[None, :] - before[:, None])


def _log_binomial(x: Floats, n: float, part: float, whole: float) -> Floats:
    """Return ln P(X = x) for X binomial of n trials with chance part / whole."""
    inside = np.clip(x, 0.0, n)
    rest = log_factorial_remainder
    off = excess(inside, whole, n, part)
    far = deviance(np.asarray(n * (part / whole)), off) + deviance(
        np.asarray(n * ((whole - part) / whole)), -off
    )
    remainders = rest(np.asarray(n)) - rest(inside) - rest(n - inside)
    return np.where(x == inside, remainders - far, -np.inf)
