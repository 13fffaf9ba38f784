from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.stats.chain_step import Level, chain_log_weight
from maskstat.stats.hypergeometric import log_pmf


def plain_weights(N, start, sizes, levels):
    """The same sums, every pair of lattice points by its hypergeometric probability."""
    m, log_weight = np.array([float(start)]), np.zeros(1)
    for n, level in zip(sizes, levels, strict=True):
        t = level.values
        moves = log_pmf(t[None, :], N, m[:, None], n)
        log_weight = np.logaddexp.reduce(log_weight[:, None] + moves, axis=0) + math.log(level.step)
        m = t
    return log_weight


@st.composite
def chains(draw):
    """Masks and lattices of any steps, near the means or not, and references anywhere."""
    N = draw(st.integers(1, 10 ** draw(st.integers(1, 15))))
    start, *sizes = (draw(st.integers(0, N)) for _ in range(draw(st.integers(2, 5))))
    before, levels = start, []
    for n in sizes:
        low, high = max(0, before + n - N), min(before, n)
        mean = round(before * (n / N))
        reference = min(max(mean + draw(st.integers(-30, 30)), low), high)
        step = 2 ** draw(st.integers(0, 12))
        first = max(0, reference - step * draw(st.integers(0, 20)))
        points = min(draw(st.integers(1, 40)), (N - first) // step + 1)
        levels.append(Level(reference, first, points, step))
        before = reference
    return N, start, sizes, levels


@settings(max_examples=200)
@given(chains())
def test_chains_are_sums_of_hypergeometrics(case):
    plain = plain_weights(*case)
    np.testing.assert_allclose(chain_log_weight(*case), plain, rtol=2e-12, atol=2e-12)


def test_chains_do_not_underflow():
    """Of sums over so steep laws nothing would be left, the tails' ends being e**-1800."""
    N, start, sizes = 10**10, 10**6, [10**5, 2 * 10**5, 10**10 - 10**4]
    levels = [Level(10, 0, 150, 1), Level(0, 0, 150, 1), Level(0, 0, 150, 1)]
    plain = plain_weights(N, start, sizes, levels)
    assert plain.min() < -1800
    ours = chain_log_weight(N, start, sizes, levels)
    np.testing.assert_allclose(ours, plain, rtol=2e-12, atol=2e-12)
