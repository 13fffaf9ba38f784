from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats import inherited, lattice
from maskstat.stats.hypergeometric import log_pmf, log_tails
from maskstat.stats.inherited import (
    inherited_cumulants,
    inherited_log_tails,
    total_inherited_log_tails,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["nested"]


def exact_law(c, a, b, a_next, b_next):
    """P(X = x) as fractions, from how both masks hit the c shared weights."""
    every = math.comb(a, a_next) * math.comb(b, b_next)
    law = Counter()
    for m in range(min(c, a_next) + 1):
        by_a = math.comb(c, m) * math.comb(a - c, a_next - m)
        for n in range(min(c, b_next) + 1):
            ways = by_a * math.comb(c, n) * math.comb(b - c, b_next - n)
            for x in range(max(0, m + n - c), min(m, n) + 1):
                meet = Fraction(math.comb(m, x) * math.comb(c - m, n - x), math.comb(c, n))
                if ways:
                    law[x] += meet * ways / every
    return law


def log_of(p):
    """ln of a fraction, to 50 digits also next to 1."""
    with mpmath.workdps(50):
        if p == 0:
            return -mpmath.inf
        if p > Fraction(1, 2):
            return mpmath.log1p(-mpmath.mpf((1 - p).numerator) / (1 - p).denominator)
        return mpmath.log(mpmath.mpf(p.numerator) / p.denominator)


def assert_tails(tails, law, x):
    below = sum(p for y, p in law.items() if y <= x)
    above = sum(p for y, p in law.items() if y >= x)
    for ours, p in zip(tails, (below, above, law[x]), strict=True):
        exact = float(log_of(Fraction(p)))
        if math.isinf(exact) or exact == 0.0:
            assert ours == exact
        else:
            assert ours == pytest.approx(exact, rel=1e-12, abs=1e-300)


@st.composite
def margins(draw, most=40):
    a, b = draw(st.integers(0, most)), draw(st.integers(0, most))
    return draw(st.integers(0, min(a, b))), a, b, draw(st.integers(0, a)), draw(st.integers(0, b))


@pytest.mark.parametrize("case", VECTORS)
def test_reference_vectors(case):
    names = ("c", "a", "b", "a1", "b1")
    mean, variance, *_ = inherited_cumulants(*(case[name] for name in names))
    assert float(mean) == pytest.approx(float(case["mean"]), rel=1e-12)
    assert float(variance) == pytest.approx(float(case["var"]), rel=1e-12)


def test_law_is_that_of_all_pairs_of_masks_there_are():
    a, b, shared = {0, 1, 2, 3}, {2, 3, 4, 5, 6}, {2, 3}
    overlaps = Counter(
        len(set(x) & set(y))
        for x, y in itertools.product(itertools.combinations(a, 3), itertools.combinations(b, 2))
    )
    for x in range(4):
        ours = inherited_log_tails(x, len(shared), 4, 5, 3, 2).eq
        assert math.exp(ours) == pytest.approx(overlaps[x] / overlaps.total(), rel=1e-12)


@settings(max_examples=150)
@given(margins(), st.floats(0, 1))
def test_tails_are_exact(case, where):
    law = exact_law(*case)
    low, high = min(law), max(law)
    for x in {low, high, low - 1, high + 1, low + round(where * (high - low))}:
        assert_tails(inherited_log_tails(x, *case), law, x)


@given(margins())
def test_cumulants_are_those_of_the_law(case):
    law = exact_law(*case)
    mean = sum(p * x for x, p in law.items())
    central = [sum(p * (x - mean) ** r for x, p in law.items()) for r in range(5)]
    fourth = central[4] - 3 * central[2] ** 2
    assert inherited_cumulants(*case) == (mean, central[2], central[3], fourth)


@given(margins(), st.floats(0, 1))
def test_the_masks_are_interchangeable(case, where):
    c, a, b, a_next, b_next = case
    x = round(where * min(c, a_next, b_next))
    swapped = (c, b, a, b_next, a_next)
    assert inherited_cumulants(*swapped) == inherited_cumulants(*case)
    ours, theirs = inherited_log_tails(x, *case), inherited_log_tails(x, *swapped)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-300)


@given(margins())
def test_a_step_that_prunes_nothing_keeps_the_overlap(case):
    c, a, b, a_next, _ = case
    assert inherited_log_tails(c, c, a, b, a, b) == (0.0, 0.0, 0.0)
    if a_next > 0:  # one mask unchanged: an ordinary hypergeometric law
        le, ge = log_tails(min(c, a_next), a, c, a_next)
        tails = inherited_log_tails(min(c, a_next), c, a, b, a_next, b)
        assert (tails.le, tails.ge) == pytest.approx((float(le), float(ge)), rel=1e-11, abs=1e-15)


def test_full_previous_masks_are_the_plain_null():
    N, a, b = 2400, 480, 700
    for x in (90, 140, 200):
        tails = inherited_log_tails(x, N, N, N, a, b)
        le, ge = log_tails(x, N, a, b)
        assert tails == pytest.approx((float(le), float(ge), float(log_pmf(x, N, a, b))), rel=1e-11)


@pytest.mark.parametrize("z", [-20, -2, 0, 3, 50])
@pytest.mark.parametrize(
    "case",
    [
        (4 * 10**6, 10**7, 10**7, 8 * 10**6, 8 * 10**6),
        (10**8, 10**9, 2 * 10**9, 8 * 10**8, 10**7),
        (10**9, 5 * 10**9, 10**9, 10**9, 10**9 - 500),
        (30_000, 10**8, 10**6, 10**5, 9 * 10**5),
    ],
)
def test_large_masks(case, z, monkeypatch):
    mean, variance, *_ = (float(v) for v in inherited_cumulants(*case))
    x = max(0, round(mean + z * math.sqrt(variance)))
    tails = inherited_log_tails(x, *case)
    total = total_inherited_log_tails(x, [case])
    for module in (lattice, inherited):
        monkeypatch.setattr(module, "REACH_SD", 11.0)
        monkeypatch.setattr(module, "REACH_CELLS", 33.0)
    monkeypatch.setattr(lattice, "_THINNING", 90.0)
    for ours, inverted, finer in zip(tails, total, inherited_log_tails(x, *case), strict=True):
        assert ours == pytest.approx(finer, rel=1e-11, abs=1e-300)
        assert inverted == pytest.approx(finer, rel=1e-11, abs=1e-300)


def test_the_sum_over_m_in_full():
    c, a, b, a_next, b_next = 3000, 9000, 8000, 7000, 6500
    m = np.arange(c + 1.0)
    log_m = log_pmf(m, a, c, a_next)
    for x in (1700, 1896, 1960, 2300):
        le, ge = log_tails(x, b, m, b_next)
        plain = [np.logaddexp.reduce(log_m + v) for v in (le, ge, log_pmf(x, b, m, b_next))]
        assert inherited_log_tails(x, c, a, b, a_next, b_next) == pytest.approx(plain, rel=1e-10)


def test_far_tails_are_finite():
    tails = inherited_log_tails(9 * 10**7, 10**8, 10**9, 10**9, 2 * 10**8, 2 * 10**8)
    assert -1e10 < tails.ge / math.log(10) < -1e6


@settings(max_examples=40)
@given(st.lists(margins(most=15), min_size=1, max_size=3), st.floats(0, 1))
def test_totals_are_exact_convolutions(layers, where):
    law = {0: Fraction(1)}
    for layer in layers:
        longer = Counter()
        for (x, p), (y, q) in itertools.product(law.items(), exact_law(*layer).items()):
            longer[x + y] += p * q
        law = longer
    low, high = min(law), max(law)
    for x in {low, high, low - 1, low + round(where * (high - low))}:
        assert_tails(total_inherited_log_tails(x, layers), law, x)


@pytest.mark.parametrize(
    "case", [(3, 2, 5, 1, 1), (1, 2, 5, 3, 1), (1, 2, 5, 1, 6), (-1, 2, 5, 1, 1), (1, 2, 5, 0.5, 1)]
)
def test_impossible_counts(case):
    with pytest.raises(UsageError):
        inherited_log_tails(0, *case)
    with pytest.raises(UsageError):
        inherited_cumulants(*case)
