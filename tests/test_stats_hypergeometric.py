import json
import math
import time
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats._log_ratio import is_smooth, log_odds, smooth_log_ratios
from maskstat.stats.hypergeometric import excess, log_pmf, log_tails, moments, support

REFERENCE = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["hypergeom"]
LN10 = math.log(10)


@st.composite
def sizes(draw, largest=200):
    N = draw(st.integers(1, largest))
    return N, draw(st.integers(0, N)), draw(st.integers(0, N))


def exact_law(N, a, b):
    """Every overlap's probability in integers."""
    low, high = max(0, a + b - N), min(a, b)
    total = math.comb(N, b)
    return {
        x: Fraction(math.comb(a, x) * math.comb(N - a, b - x), total) for x in range(low, high + 1)
    }


def log_of(fraction):
    """Ln of a rational in (0, 1], also where it is close to either end."""
    if fraction > Fraction(1, 2):
        return math.log1p(-float(1 - fraction))
    return math.log(fraction.numerator) - math.log(fraction.denominator)


def mp_upper(x, N, a, b):
    """Ln P(X = x) and ln P(X >= x) with 60 digits, term by term."""
    with mpmath.workdps(60):

        def choose(n, k):
            return mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1)

        at_x = choose(a, x) + choose(N - a, b - x) - choose(N, b)
        total = term = mpmath.mpf(1)
        for y in range(x, min(a, b)):
            term *= mpmath.mpf((a - y) * (b - y)) / ((y + 1) * (N - a - b + y + 1))
            total += term
            if term < total * mpmath.mpf(10) ** -25:
                break
        return at_x, at_x + mpmath.log(total)


@pytest.mark.parametrize("case", REFERENCE, ids=lambda c: f"{c['N']}-{c['x']}")
def test_reference_vectors(case):
    counts = case["x"], case["N"], case["a"], case["b"]
    at_most, at_least = log_tails(*counts)
    computed = {"log10_pmf": log_pmf(*counts), "log10_cdf": at_most, "log10_sf_incl": at_least}
    for name, value in computed.items():
        assert float(value) / LN10 == pytest.approx(float(case[name]), rel=1e-12, abs=1e-300), name


@given(sizes())
def test_equals_exact_fractions(counts):
    law = exact_law(*counts)
    x = np.array(list(law))
    at_x = log_pmf(x, *counts)
    at_most, at_least = log_tails(x, *counts)
    running = Fraction(0)
    for i, p in enumerate(law.values()):
        before, running = running, running + p
        assert at_x[i] == pytest.approx(log_of(p), rel=1e-12, abs=1e-13)
        assert at_most[i] == pytest.approx(log_of(running), rel=1e-12, abs=1e-300)
        assert at_least[i] == pytest.approx(log_of(1 - before), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    ("x", "N", "a", "b"),
    [
        (1_000_900, 10**10, 10**8, 10**8),
        (260_000_000, 10**10, 5 * 10**9, 5 * 10**8),
        (5_100_000, 10**10, 5 * 10**6, 10**10 - 3 * 10**6),
        (40_000, 10**10, 2 * 10**7, 10**7),
        (10**6, 10**9, 10**7, 10**7),
        (99_999_999, 10**10, 10**8, 10**8),
        (1_000, 10**8, 10**5, 10**5),
        (104_000, 10**6, 320_000, 320_000),
        (2, 10**10, 3, 7),
        (4 * 10**15 // 3, 2**53, 2**52, 2 * 10**15),
    ],
)
def test_against_mpmath(x, N, a, b):
    x = max(min(x, a, b), a + b - N)
    at_x, at_least = mp_upper(x, N, a, b)
    assert float(log_pmf(x, N, a, b)) == pytest.approx(float(at_x), rel=1e-13)
    assert float(log_tails(x, N, a, b)[1]) == pytest.approx(float(at_least), rel=1e-13)
    # The same table read from its other sides.
    assert float(log_tails(a - x, N, a, N - b)[0]) == pytest.approx(float(at_least), rel=1e-13)


@pytest.mark.parametrize("sd", [40, 47, 49, 55, 60, 200, 1000])
@pytest.mark.parametrize("z", [0, 0.3, 2, 9, 30])
def test_series_and_integral_agree_with_mpmath(sd, z):
    N = 10**8
    a = b = sd * 10**4  # a b / N = sd^2
    mean, variance, _ = moments(N, a, b)
    x = math.ceil(float(mean) + z * math.sqrt(float(variance)))
    expected = float(mp_upper(x, N, a, b)[1])
    assert float(log_tails(x, N, a, b)[1]) == pytest.approx(expected, rel=2e-13)


def test_far_tails_do_not_underflow():
    at_most, at_least = log_tails(10**6, 10**9, 10**7, 10**7)
    assert float(at_least) / LN10 < -600_000
    assert float(at_most) == 0.0
    assert float(log_tails(10**8, 10**10, 10**8, 10**8)[1]) / LN10 < -2e8


@given(sizes(), st.integers(-3, 203))
def test_masks_are_exchangeable(counts, x):
    N, a, b = counts
    for one, other in zip(log_tails(x, N, a, b), log_tails(x, N, b, a), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-300)


@given(sizes(10**6), st.integers(0, 10**6))
def test_complement_of_one_mask_reflects(counts, x):
    N, a, b = counts
    low, high = (int(v) for v in support(N, a, b))
    x = low + x % (high - low + 1)
    at_most, at_least = log_tails(x, N, a, b)
    mirrored = log_tails(a - x, N, a, N - b)
    np.testing.assert_allclose(at_most, mirrored[1], rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(at_least, mirrored[0], rtol=1e-10, atol=1e-300)


@given(sizes(10**7), st.integers(0, 10**7))
def test_tails_are_monotone_and_share_one_overlap(counts, x):
    N, a, b = counts
    low, high = (int(v) for v in support(N, a, b))
    x = low + x % (high - low + 1)
    at_most, at_least = log_tails(np.arange(x, x + 3), N, a, b)
    assert max(at_most.max(), at_least.max()) <= 0
    assert np.all(at_most[1:] >= at_most[:-1] - 1e-13)
    assert np.all(at_least[1:] <= at_least[:-1] + 1e-13)
    both = math.exp(at_most[0]) + math.exp(at_least[0]) - math.exp(float(log_pmf(x, N, a, b)))
    assert both == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize(
    ("N", "a", "b", "x"),
    [
        (10, 0, 5, 0),
        (10, 10, 5, 5),
        (10, 5, 0, 0),
        (10, 5, 10, 5),
        (1, 1, 1, 1),
        (1, 0, 1, 0),
        (0, 0, 0, 0),
        (2**53, 2**53, 7, 7),
    ],
)
def test_a_single_possible_overlap_is_certain(N, a, b, x):
    assert [float(v) for v in log_tails(x, N, a, b)] == [0.0, 0.0]
    assert float(log_pmf(x, N, a, b)) == pytest.approx(0.0, abs=1e-14)
    assert float(moments(N, a, b)[1]) == 0.0


@pytest.mark.parametrize("few", [1, 3])
@pytest.mark.parametrize("N", [10**6, 10**12, 10**15])
def test_tails_next_to_one_keep_their_digits(N, few):
    """Of a mask of all but a few weights the other one, of five, almost surely shares all."""
    missed = 1 - Fraction(math.comb(N - few, 5), math.comb(N, 5))
    expected = pytest.approx(math.log1p(-float(missed)), rel=1e-12, abs=0)
    assert float(log_tails(5, N, N - few, 5)[1]) == expected
    assert float(log_tails(0, N, few, 5)[0]) == expected


def test_outside_the_support():
    at_most, at_least = log_tails([-1, 0, 3, 4], 10, 3, 4)
    assert at_most.tolist()[0] == -np.inf
    assert at_least.tolist()[:2] == [0.0, 0.0]
    assert at_most.tolist()[2:] == [0.0, 0.0]
    assert at_least.tolist()[3] == -np.inf
    assert log_pmf([-1, 4], 10, 3, 4).tolist() == [-np.inf, -np.inf]


def test_shapes_broadcast():
    at_most, at_least = log_tails(np.arange(3)[:, None], 10, [3, 4], 5)
    assert at_most.shape == at_least.shape == (3, 2)
    assert log_tails(1, 10, 3, 5)[0].shape == ()
    assert log_tails(np.empty((0, 2)), 10, 3, 5)[0].shape == (0, 2)
    assert log_tails(1, 10, 3, 5)[0].dtype == np.float64


@given(sizes(60))
def test_moments_are_the_laws(counts):
    law = exact_law(*counts)
    mean = sum(x * p for x, p in law.items())
    cumulants = [mean] + [sum((x - mean) ** k * p for x, p in law.items()) for k in (2, 3)]
    for value, expected in zip(moments(*counts), cumulants, strict=True):
        assert float(value) == pytest.approx(float(expected), rel=1e-12, abs=1e-13)


@given(st.integers(1, 2**53), st.data())
def test_excess_is_exact_before_division(N, data):
    a, b = data.draw(st.integers(0, N)), data.draw(st.integers(0, N))
    x = data.draw(st.integers(max(0, a + b - N), min(a, b)))
    exact = Fraction(x * N - a * b, N)
    assert float(excess(x, N, a, b)) == pytest.approx(float(exact), rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("N", "a", "b"), [(10, 11, 3), (10, 3, 11), (10, -1, 3), (10, 3, -1), (2**54, 1, 1)]
)
def test_impossible_sizes_are_refused(N, a, b):
    for function in (lambda: log_tails(0, N, a, b), lambda: log_pmf(0, N, a, b)):
        with pytest.raises(UsageError):
            function()
    with pytest.raises(UsageError):
        moments(N, a, b)


@pytest.mark.slow
def test_ten_thousand_tests_within_a_second():
    rng = np.random.default_rng(0)
    N = 10**8
    a, b = rng.integers(N // 100, N // 2, (2, 10_000))
    mean, variance, _ = moments(N, a, b)
    x = np.rint(mean + 3 * rng.normal(size=10_000) * np.sqrt(variance))
    log_tails(x[:10], N, a[:10], b[:10])
    start = time.process_time()
    log_tails(x, N, a, b)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize("z", [-30, -2, 0, 3, 40])
@pytest.mark.parametrize("N", [10**6, 10**8, 10**11])
def test_smooth_stretches_are_the_law_itself(N, z):
    """The power series beside the probabilities, overlap by overlap, out to ten deviations."""
    kept = (np.array([[3, 5, 2], [4, 5, 8]]) * (N // 10)).astype(float)
    a, b = kept
    mean, variance, _ = moments(N, a, b)
    sd = np.sqrt(variance)
    x = np.rint(mean + z * sd)
    reach = np.ceil(10 * sd)
    cells = np.stack([x, a - x, b - x, N - a - b + x])
    assert is_smooth(cells, reach).all()
    h = np.linspace(-1, 1, 41)
    whole = np.rint(h * reach[:, None])
    for i in range(3):
        column = cells[:, i : i + 1]
        slope = log_odds(column, excess(x[i], N, a[i], b[i]), np.array([float(N)]))
        series = smooth_log_ratios(column, slope, reach[i : i + 1], whole[i] / reach[i])
        plain = log_pmf(x[i] + whole[i], N, a[i], b[i]) - log_pmf(x[i], N, a[i], b[i])
        np.testing.assert_allclose(series[0], plain, rtol=1e-12, atol=2e-14 * (10 + z * z))


def test_what_is_not_smooth():
    cells = np.array([[499.0, 900.0, 900.0], [1e6] * 3, [1e6] * 3, [1e6] * 3])
    assert is_smooth(cells, np.array([10.0, 180.0, 181.0])).tolist() == [False, True, False]
