import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats.hypergeometric import moments, support
from maskstat.stats.pairtest import (
    exact_size,
    interval,
    min_detectable_lift,
    p_values,
    significant,
    untestable,
)

REFERENCE = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())
LEVELS = st.sampled_from([0.5, 0.2, 0.1, 0.05, 0.01, 1e-3, 1e-6])


@st.composite
def sizes(draw, largest=80):
    N = draw(st.integers(1, largest))
    return N, draw(st.integers(0, N)), draw(st.integers(0, N))


def exact_law(N, a, b):
    low, high = max(0, a + b - N), min(a, b)
    total = math.comb(N, b)
    return {
        x: Fraction(math.comb(a, x) * math.comb(N - a, b - x), total) for x in range(low, high + 1)
    }


def exact_p(law, x):
    """Every kind of p of one overlap, in fractions."""
    at_most = sum(p for y, p in law.items() if y <= x)
    at_least = sum(p for y, p in law.items() if y >= x)
    half = law[x] / 2
    return {
        ("less", False): at_most,
        ("greater", False): at_least,
        ("two-sided", False): min(1, 2 * min(at_most, at_least)),
        ("fisher", False): sum(p for p in law.values() if p <= law[x]),
        ("less", True): at_most - half,
        ("greater", True): at_least - half,
        ("two-sided", True): min(1, 2 * min(at_most - half, at_least - half)),
    }


@pytest.mark.parametrize("case", REFERENCE["twosided"], ids=lambda c: f"{c['N']}-{c['x']}")
def test_reference_p_values(case):
    counts = case["x"], case["N"], case["a"], case["b"]
    for name, alternative, mid_p in [
        ("le", "less", False),
        ("ge", "greater", False),
        ("doubled", "two-sided", False),
        ("minlike", "fisher", False),
        ("mid_ge", "greater", True),
        ("mid_doubled", "two-sided", True),
    ]:
        p = p_values(*counts, alternative=alternative, mid_p=mid_p)
        assert 10 ** float(p) == pytest.approx(float(case[name]), rel=1e-12), name


@pytest.mark.parametrize("case", REFERENCE["interval"], ids=lambda c: f"{c['N']}-{c['a']}")
def test_reference_intervals(case):
    counts = case["N"], case["a"], case["b"]
    for alpha, expected in [(0.05, case["i95"]), (0.01, case["i99"])]:
        assert [int(end) for end in interval(*counts, alpha=alpha)] == expected


@given(sizes(40))
def test_p_values_equal_exact_fractions(counts):
    law = exact_law(*counts)
    xs = np.array(list(law))
    exact = [exact_p(law, x) for x in law]
    for alternative, mid_p in exact[0]:
        computed = p_values(xs, *counts, alternative=alternative, mid_p=mid_p)
        expected = [float(p[alternative, mid_p]) for p in exact]
        np.testing.assert_allclose(10**computed, expected, rtol=1e-11)
        assert np.all(computed <= 0)


@given(sizes(), LEVELS)
def test_interval_equals_exact_fractions(counts, alpha):
    law = exact_law(*counts)
    level = Fraction(str(alpha)) / 2
    inside = [
        x
        for x in law
        if sum(p for y, p in law.items() if y <= x) > level
        and sum(p for y, p in law.items() if y >= x) > level
    ]
    low, high = interval(*counts, alpha=alpha)
    assert (int(low), int(high)) == (inside[0], inside[-1])
    assert low.dtype == high.dtype == np.int64


@given(sizes(40), LEVELS)
def test_size_is_the_probability_outside_the_interval(counts, alpha):
    law = exact_law(*counts)
    low, high = interval(*counts, alpha=alpha)
    above, below = exact_size(*counts, alpha=alpha)
    assert float(above) == pytest.approx(float(sum(p for x, p in law.items() if x > high)))
    assert float(below) == pytest.approx(float(sum(p for x, p in law.items() if x < low)))
    assert above + below <= alpha * (1 + 1e-11)


@given(sizes(10**9), LEVELS)
def test_outside_the_interval_is_significant(counts, alpha):
    N, a, b = counts
    low, high = (int(end) for end in interval(N, a, b, alpha=alpha))
    least, most = (int(end) for end in support(N, a, b))
    assert least <= low <= high <= most
    for x, expected in [(low, False), (high, False), (low - 1, True), (high + 1, True)]:
        if least <= x <= most:
            assert bool(significant(p_values(x, N, a, b), alpha)) is expected


def test_an_exact_tie_is_significant():
    # P(X >= 1) = 1/20 exactly, so that the doubled p is 0.1.
    assert [int(end) for end in interval(20, 1, 1, alpha=0.1)] == [0, 0]
    assert significant(p_values(1, 20, 1, 1), 0.1)
    assert [int(end) for end in interval(20, 1, 1, alpha=0.0999)] == [0, 1]
    assert [int(end) for end in interval(40, 1, 1, alpha=0.05)] == [0, 0]


@given(sizes(10**10), st.floats(0, 1))
def test_masks_are_exchangeable(counts, where):
    N, a, b = counts
    low, high = (int(end) for end in support(N, a, b))
    x = low + int(where * (high - low))
    for alternative in ("two-sided", "fisher", "greater", "less"):
        one = p_values(x, N, a, b, alternative=alternative)
        other = p_values(x, N, b, a, alternative=alternative)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert interval(N, a, b) == interval(N, b, a)


@given(sizes(10**6), st.integers(0, 10**6))
def test_greater_falls_and_less_rises_with_the_overlap(counts, start):
    N, a, b = counts
    low, high = (int(end) for end in support(N, a, b))
    x = np.unique(np.clip(low + start % (high - low + 1) + np.arange(5), low, high))
    greater = p_values(x, N, a, b, alternative="greater")
    less = p_values(x, N, a, b, alternative="less")
    assert np.all(np.diff(greater) <= 1e-12)
    assert np.all(np.diff(less) >= -1e-12)


def test_far_p_values_are_finite():
    p = p_values([10**6, 10**7], 10**9, 10**7, 10**7, alternative="two-sided")
    assert np.all(np.isfinite(p))
    assert p[0] == pytest.approx(-645979.4225938387 + math.log10(2), rel=1e-12)
    fisher = p_values([10**6, 10**7], 10**9, 10**7, 10**7, alternative="fisher")
    np.testing.assert_allclose(fisher, p - math.log10(2), rtol=1e-12)


def test_published_sizes_and_lifts():
    N, a = np.array([150, 840, 2400, 2400]), np.array([15, 17, 48, 480])
    percent = [100 * sum(exact_size(N, a, a, alpha=alpha)) for alpha in (0.05, 0.01)]
    np.testing.assert_allclose(percent[0], [0.83, 0.39, 1.4, 4.1], atol=0.05)
    np.testing.assert_allclose(percent[1], [0.11, 0.39, 0.23, 0.73], atol=0.006)
    lift = min_detectable_lift([840, 2400, 48000, 150], [84, 240, 4800, 3], [84, 240, 4800, 3])
    np.testing.assert_allclose(lift, [1.79, 1.42, 1.08, 33.3], atol=0.05)


def test_lift_is_the_first_significant_overlap():
    N, a, b = 2400, 480, 300
    mean, _, _ = moments(N, a, b)
    x = round(float(min_detectable_lift(N, a, b) * mean))
    assert significant(p_values([x - 1, x], N, a, b), 0.05).tolist() == [False, True]


def test_no_lift_is_detectable_where_nothing_above_is_significant():
    assert np.isnan(min_detectable_lift([10, 10, 2], [0, 10, 1], [5, 5, 1])).all()


@pytest.mark.parametrize(("N", "a", "b"), [(10, 0, 5), (10, 10, 5), (1, 1, 1), (1, 0, 0)])
def test_untestable(N, a, b):
    x = max(0, a + b - N)
    assert untestable(N, a, b)
    assert [int(end) for end in interval(N, a, b)] == [x, x]
    for alternative in ("two-sided", "fisher", "greater", "less"):
        assert float(p_values(x, N, a, b, alternative=alternative)) == 0.0
    assert sum(exact_size(N, a, b)) == 0.0


def test_shapes():
    N, a, b = np.array([10, 20]), np.array([[5], [6], [7]]), 4
    assert p_values(2, N, a, b).shape == (3, 2)
    low, high = interval(N, a, b)
    assert low.shape == high.shape == (3, 2)
    assert int(low[2, 1]) == int(interval(20, 7, 4)[0])
    assert exact_size(N, a, b)[0].shape == min_detectable_lift(N, a, b).shape == (3, 2)
    assert p_values(2, 10, 5, 4).shape == ()
    assert p_values(np.empty(0), 10, 5, 4).shape == interval(np.empty(0), 5, 4)[0].shape == (0,)


REFUSED = {
    "too-large-overlap": (lambda: p_values(5, 10, 4, 4), "impossible-overlap"),
    "nan-overlap": (lambda: p_values(float("nan"), 10, 4, 4), "impossible-overlap"),
    "sizes": (lambda: p_values(2, 10, 12, 4), "impossible-counts"),
    "alternative": (lambda: p_values(2, 10, 4, 4, alternative="both"), "unknown-alternative"),
    "mid-p": (lambda: p_values(2, 10, 4, 4, alternative="fisher", mid_p=True), "no-mid-p"),
    "zero-level": (lambda: interval(10, 4, 4, alpha=0), "bad-alpha"),
    "percent-level": (lambda: interval(10, 4, 4, alpha=5), "bad-alpha"),
    "nan-level": (lambda: significant(-1.0, float("nan")), "bad-alpha"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, code = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code


def test_importing_stays_cheap():
    """The default path of `compare` comes through here, and scipy costs more than all of it."""
    code = (
        "import sys, numpy; before = set(sys.modules)\n"
        "import maskstat.stats.stratified, maskstat.stats.corrections, maskstat.stats.measures\n"
        "print(*(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert "maskstat.stats.pairtest" in loaded
    heavy = ("scipy", "numpy.polynomial", "numpy.random", "statistics", "fractions", "decimal")
    assert [name for name in loaded if name.startswith(heavy)] == []
