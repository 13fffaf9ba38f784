import math
import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats._inversion import log_pmf_and_above
from maskstat.stats.hypergeometric import log_pmf, log_tails, moments, support
from maskstat.stats.pairtest import interval, p_values, significant
from maskstat.stats.stratified import (
    exact_size_total,
    interval_total,
    log_tails_total,
    min_detectable_lift_total,
    moments_total,
    p_values_total,
    untestable_total,
)

LENET = [54, 2400, 30720, 10080, 840]


@st.composite
def stacks(draw, largest=40, layers=4):
    """Sizes of a few layers as three lists."""
    rows = []
    for _ in range(draw(st.integers(1, layers))):
        N = draw(st.integers(1, largest))
        rows.append((N, draw(st.integers(0, N)), draw(st.integers(0, N))))
    return tuple(list(v) for v in zip(*rows, strict=True))


@st.composite
def extreme_stacks(draw):
    """Huge layers where almost nothing, or almost everything, is kept."""
    rows = []
    for _ in range(draw(st.integers(2, 4))):
        N = draw(st.integers(1, 10 ** draw(st.integers(1, 13))))
        kept = [min(draw(st.integers(0, 6)), N) for _ in "ab"]
        rows.append((N, *(N - k if draw(st.booleans()) else k for k in kept)))
    return tuple(list(v) for v in zip(*rows, strict=True))


def convolved(N, a, b):
    """Every total's probability in integers, and their common denominator."""
    counts, lowest, denominator = [1], 0, 1
    for layer in zip(N, a, b, strict=True):
        low, high = max(0, layer[1] + layer[2] - layer[0]), min(layer[1:])
        ways = [
            math.comb(layer[1], x) * math.comb(layer[0] - layer[1], layer[2] - x)
            for x in range(low, high + 1)
        ]
        product = [0] * (len(counts) + len(ways) - 1)
        for i, u in enumerate(counts):
            for j, w in enumerate(ways):
                product[i + j] += u * w
        counts, lowest = product, lowest + low
        denominator *= math.comb(layer[0], layer[2])
    return lowest, counts, denominator


def log_ratio(numerator, denominator):
    """Ln of a ratio in (0, 1] of integers of any size."""
    if 2 * numerator > denominator:
        return math.log1p(-float(Fraction(denominator - numerator, denominator)))
    return math.log(numerator) - math.log(denominator)


@given(st.one_of(stacks(), extreme_stacks()))
def test_tails_equal_exact_convolution(layers):
    lowest, counts, denominator = convolved(*layers)
    x = np.arange(lowest, lowest + len(counts))
    at_most, at_least = log_tails_total(x, *layers)
    assert at_most[-1] == at_least[0] == 0
    running = 0
    for i, ways in enumerate(counts):
        below = log_ratio(running + ways, denominator)
        above = log_ratio(denominator - running, denominator)
        assert float(at_most[i]) == pytest.approx(below, rel=1e-12, abs=1e-13)
        assert float(at_least[i]) == pytest.approx(above, rel=1e-12, abs=1e-13)
        running += ways


@given(stacks(), st.sampled_from([0.3, 0.05, 0.01, 1e-5]))
def test_interval_and_size_equal_exact_convolution(layers, alpha):
    lowest, counts, denominator = convolved(*layers)
    level = Fraction(str(alpha)) / 2 * denominator
    inside = [
        i for i in range(len(counts)) if sum(counts[: i + 1]) > level and sum(counts[i:]) > level
    ]
    low, high = interval_total(*layers, alpha=alpha)
    assert (int(low), int(high)) == (lowest + inside[0], lowest + inside[-1])
    assert low.dtype == high.dtype == np.int64
    above, below = exact_size_total(*layers, alpha=alpha)
    exact_below = float(Fraction(sum(counts[: inside[0]]), denominator))
    exact_above = float(Fraction(sum(counts[inside[-1] + 1 :]), denominator))
    assert float(below) == pytest.approx(exact_below, rel=1e-11)
    assert float(above) == pytest.approx(exact_above, rel=1e-11)


@given(stacks(), st.data())
def test_p_values_equal_exact_convolution(layers, data):
    lowest, counts, denominator = convolved(*layers)
    i = data.draw(st.integers(0, len(counts) - 1))
    less = Fraction(sum(counts[: i + 1]), denominator)
    greater = Fraction(sum(counts[i:]), denominator)
    for mid_p in (False, True):
        half = Fraction(counts[i], 2 * denominator) * mid_p
        expected = {
            "less": less - half,
            "greater": greater - half,
            "two-sided": min(1, 2 * min(less - half, greater - half)),
        }
        for alternative, p in expected.items():
            computed = p_values_total(lowest + i, *layers, alternative=alternative, mid_p=mid_p)
            assert 10 ** float(computed) == pytest.approx(float(p), rel=1e-11)


@pytest.mark.parametrize("N", [50, 2400, 10**5, 10**7, 10**10, 10**13])
def test_inversion_of_one_layer_equals_the_hypergeometric(N):
    """Two algorithms that share no step but the probability of a single overlap."""
    rng = np.random.default_rng(N)
    kept = np.rint(N * 10 ** -rng.uniform(0.02, min(math.log10(N) - 0.5, 6), (2, 500)))
    a, b = np.where(rng.random((2, 500)) < 0.3, N - kept, kept)
    mean, variance, _ = moments(N, a, b)
    low, high = support(N, a, b)
    z = rng.choice([0, 1, 3, 8, 30, 300, 3000], 500) * rng.random(500)
    x = np.clip(np.ceil(mean + z * np.sqrt(variance)), low, high)
    x, a, b = (v[(x > low) & (x < high)] for v in (x, a, b))
    sizes = np.full_like(x, N)
    at_x, above = log_pmf_and_above(x, sizes[:, None], a[:, None], b[:, None])
    np.testing.assert_allclose(at_x, log_pmf(x, N, a, b), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(above, log_tails(x + 1, N, a, b)[1], rtol=1e-12, atol=1e-12)


@settings(max_examples=50)
@given(stacks(largest=10**7), st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_pairs_at_once_are_pairs_alone(layers, places):
    """Pairs of the same sizes share generating functions where their totals are alike."""
    low, high = (int(v.sum()) for v in support(*layers))
    mean, variance, _ = (float(v) for v in moments_total(*layers))
    near = [round(mean + (8 * place - 4) * math.sqrt(variance)) for place in places]
    far = [low + round((high - low) * place) for place in places[:2]]
    x = np.clip(near + far, low, high)
    together = np.array(log_tails_total(x, *layers))
    alone = np.array([log_tails_total(v, *layers) for v in x]).T
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("z", [-15, -4, -0.5, 0, 0.5, 2, 8, 15])
def test_larger_layers_equal_convolution_in_floating_point(z):
    N, a, b = np.array([[150, 75, 70], [2400, 480, 500], [840, 84, 90], [10080, 1008, 1000]]).T
    law = np.ones(1)
    for layer in zip(N, a, b, strict=True):
        law = np.convolve(law, np.exp(log_pmf(np.arange(min(layer[1:]) + 1), *layer)))
    mean, variance, _ = moments_total(N, a, b)
    x = round(float(mean + z * np.sqrt(variance)))
    at_most, at_least = log_tails_total(x, N, a, b)
    assert float(at_most) == pytest.approx(math.log(math.fsum(law[: x + 1])), abs=1e-11)
    assert float(at_least) == pytest.approx(math.log(math.fsum(law[x:])), abs=1e-11)


def test_two_large_layers_against_mpmath():
    """One sum over the smaller layer with 40 digits; the larger layer's tail term by term."""
    small, large = (400, 100, 120), (10**9, 10**5, 10**5)
    x = 190
    with mpmath.workdps(40):

        def pmf(y, N, a, b):
            return mpmath.binomial(a, y) * mpmath.binomial(N - a, b - y) / mpmath.binomial(N, b)

        first = [pmf(mpmath.mpf(y), *small) for y in range(101)]
        second = [pmf(mpmath.mpf(y), *large) for y in range(400)]
        tails = [mpmath.fsum(second[max(0, x - y) :]) for y in range(101)]
        expected = mpmath.log(mpmath.fsum(p * q for p, q in zip(first, tails, strict=True)))
    computed = log_tails_total(x, *zip(small, large, strict=True))[1]
    assert float(computed) == pytest.approx(float(expected), rel=1e-12)


@given(stacks(largest=10**9), st.floats(0, 1), st.randoms())
def test_order_of_layers_and_masks_does_not_matter(layers, where, random):
    low, high = (int(v.sum()) for v in support(*layers))
    x = low + int(where * (high - low))
    tails = np.array(log_tails_total(x, *layers))
    rows = list(zip(*layers, strict=True))
    random.shuffle(rows)
    N, a, b = zip(*rows, strict=True)
    np.testing.assert_allclose(log_tails_total(x, N, b, a), tails, rtol=1e-9, atol=1e-12)


@given(stacks(largest=10**6), st.floats(0, 1))
def test_complement_reflects(layers, where):
    N, a, b = (np.array(v) for v in layers)
    low, high = (int(v.sum()) for v in support(N, a, b))
    x = low + int(where * (high - low))
    at_most, at_least = log_tails_total(x, N, a, b)
    mirrored = log_tails_total(a.sum() - x, N, a, N - b)
    np.testing.assert_allclose(mirrored, (at_least, at_most), rtol=1e-10, atol=1e-12)


@given(stacks(largest=10**6), st.floats(0, 1))
def test_tails_are_monotone_and_share_one_total(layers, where):
    low, high = (int(v.sum()) for v in support(*layers))
    x = np.unique(np.minimum(low + int(where * (high - low)) + np.arange(4), high))
    at_most, at_least = log_tails_total(x, *layers)
    assert np.all(np.diff(at_most) >= -1e-11)
    assert np.all(np.diff(at_least) <= 1e-11)
    complement = np.exp(at_most[:-1]) + np.exp(at_least[1:])
    np.testing.assert_allclose(complement, 1.0, rtol=1e-11)


@given(stacks(largest=10**8), st.sampled_from([0.05, 0.01]))
@settings(max_examples=30)
def test_outside_the_interval_is_significant(layers, alpha):
    low, high = (int(end) for end in interval_total(*layers, alpha=alpha))
    least, most = (int(v.sum()) for v in support(*layers))
    assert least <= low <= high <= most
    for x, expected in [(low, False), (high, False), (low - 1, True), (high + 1, True)]:
        if least <= x <= most:
            assert bool(significant(p_values_total(x, *layers), alpha)) is expected


@given(stacks(largest=10**6, layers=1), st.floats(0, 1))
def test_a_single_layer_is_the_pair_test(layer, where):
    low, high = (int(v.sum()) for v in support(*layer))
    x = low + int(where * (high - low))
    assert p_values_total(x, *layer) == p_values(x, *(v[0] for v in layer))
    np.testing.assert_array_equal(interval_total(*layer), np.ravel(interval(*layer)))


def test_layers_without_choice_only_shift_the_total():
    tails = log_tails_total(30 + 7 + 0, [100, 7, 5], [40, 7, 0], [50, 7, 3])
    np.testing.assert_array_equal(np.array(tails), np.array(log_tails(30, 100, 40, 50)))


def test_nothing_to_test():
    layers = [10, 4, 3], [10, 0, 3], [5, 2, 3]
    assert untestable_total(*layers)
    assert float(p_values_total(8, *layers)) == 0.0
    assert [int(end) for end in interval_total(*layers)] == [8, 8]
    assert np.isnan(min_detectable_lift_total(*layers))
    assert not untestable_total([10, 10], [10, 5], [5, 5])
    assert [float(v) for v in log_tails_total(9, *layers)] == [0.0, -np.inf]
    assert [float(v) for v in log_tails_total(7, *layers)] == [-np.inf, 0.0]


def test_far_totals_are_finite():
    big = [10**9, 10**8, 1000], [10**8, 5 * 10**7, 900], [10**8, 4 * 10**7, 800]
    mean, variance, _ = moments_total(*big)
    z = np.array([3, 40, 1000, -1000, -40])
    x = np.rint(mean + z * np.sqrt(variance))
    p = p_values_total(x, *(np.broadcast_to(v, (5, 3)) for v in big))
    assert np.all(np.isfinite(p))
    np.testing.assert_allclose(p[2], -(1000**2) / 2 / math.log(10), rtol=0.05)
    edge = p_values_total(sum(min(v) for v in zip(*big[1:], strict=True)), *big)
    parts = sum(float(log_pmf(min(a, b), N, a, b)) for N, a, b in zip(*big, strict=True))
    assert float(edge) == pytest.approx((parts + math.log(2)) / math.log(10), rel=1e-12)


def test_shapes():
    rng = np.random.default_rng(0)
    N = np.array(LENET)
    a, b = rng.integers(1, N, (2, 4, 3, 5))
    x = np.rint(moments_total(N, a, b)[0])
    at_most, at_least = log_tails_total(x, N, a, b)
    assert at_most.shape == at_least.shape == (4, 3)
    low, high = interval_total(N, a, b)
    assert low.shape == high.shape == exact_size_total(N, a, b)[0].shape == (4, 3)
    one = log_tails_total(x[1, 2], N, a[1, 2], b[1, 2])
    assert one[0].shape == ()
    np.testing.assert_allclose(one[0], at_most[1, 2], rtol=1e-12)
    many = log_tails_total(np.arange(20, 30)[:, None], N, a[0], b[0])
    assert many[0].shape == (10, 3)
    assert p_values_total(np.empty(0), N, a[0, :0], b[0, :0]).shape == (0,)
    assert interval_total(N, a[0, :0], b[0, :0])[0].shape == (0,)


def test_cumulants_add():
    layers = np.array([[54, 27, 20], [2400, 480, 300]]).T
    total = [np.sum(v) for v in moments(*layers)]
    np.testing.assert_allclose(moments_total(*layers), total, rtol=1e-15)


def test_lift_is_the_first_significant_total():
    layers = [840, 2400], [84, 240], [84, 240]
    mean, _, _ = moments_total(*layers)
    x = round(float(min_detectable_lift_total(*layers) * mean))
    assert [bool(significant(p_values_total(y, *layers), 0.05)) for y in (x - 1, x)] == [
        False,
        True,
    ]


def test_pooling_layers_is_not_stratifying():
    """Two networks that are dense in the same layer overlap more than the pooled null expects."""
    N, a = np.array([1000, 100_000]), np.array([800, 1000])
    x = round(float(moments_total(N, a, a)[0]))
    assert float(p_values_total(x, N, a, a)) > -0.1
    assert float(p_values(x, N.sum(), a.sum(), a.sum())) < -100


REFUSED = {
    "fisher": (lambda: p_values_total(2, [9], [4], [4], alternative="fisher"), "no-fisher-total"),
    "overlap": (lambda: p_values_total(9, [9, 9], [4, 4], [4, 4]), "impossible-overlap"),
    "alternative": (
        lambda: p_values_total(2, [9], [4], [4], alternative=""),
        "unknown-alternative",
    ),
    "sizes": (lambda: log_tails_total(2, [9], [14], [4]), "impossible-counts"),
    "level": (lambda: interval_total([9], [4], [4], alpha=1), "bad-alpha"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, code = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code


@given(stacks(largest=2**50, layers=3), st.floats(0, 1))
def test_any_size_gives_finite_p_values(layers, where):
    low, high = (int(v.sum()) for v in support(*layers))
    assume(high < 2**52)
    for x in (low, low + int(where * (high - low)), high):
        p = p_values_total(x, *layers)
        assert np.isfinite(p)
        assert p <= 0


@pytest.mark.slow
def test_all_pairs_of_thirty_runs_take_seconds():
    rng = np.random.default_rng(1)
    N, pairs = np.array(LENET), 435 * 6
    density = rng.uniform(0.02, 0.6, (pairs, 1)) * rng.uniform(0.8, 1.2, (2, pairs, 5))
    a, b = np.rint(N * np.minimum(density, 1))
    mean, variance, _ = moments_total(N, a, b)
    x = np.rint(mean + 3 * rng.normal(size=pairs) * np.sqrt(variance))
    start = time.process_time()
    p_values_total(x, N, a, b)
    for alpha in (0.05, 0.01):
        interval_total(N, a, b, alpha=alpha)
    assert time.process_time() - start < 10.0
