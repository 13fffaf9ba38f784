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

from maskstat.stats.hypergeometric import log_pmf, log_tails
from maskstat.stats.multiway import (
    IntersectionLaw,
    shared_by_all_cumulants,
    shared_by_all_log_tails,
    total_kept_by_none_log_tails,
    total_shared_by_all_log_tails,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["kway"]


def exact_ways(N, sizes):
    """In how many ways exactly x weights are kept by all, by inclusion and exclusion."""
    ways = [
        math.comb(N, r) * math.prod(math.comb(N - r, n - r) for n in sizes)
        for r in range(min(sizes) + 1)
    ]
    low, high = max(0, N - sum(N - n for n in sizes)), min(sizes)
    return {
        x: sum((-1) ** (r - x) * math.comb(r, x) * ways[r] for r in range(x, high + 1))
        for x in range(low, high + 1)
    }


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
    for ours, p in zip(tails, (below, above, law.get(x, 0)), strict=True):
        exact = float(log_of(Fraction(p)))
        if math.isinf(exact) or exact == 0.0:
            assert ours == exact
        else:
            assert ours == pytest.approx(exact, rel=1e-12, abs=1e-300)


def convolved(parts):
    total = {0: 1}
    for N, sizes in parts:
        longer = Counter()
        for (x, p), (y, q) in itertools.product(total.items(), exact_ways(N, sizes).items()):
            longer[x + y] += p * q
        total = longer
    every = sum(total.values())
    return {x: Fraction(ways, every) for x, ways in total.items()}


@st.composite
def networks(draw):
    masks = draw(st.integers(2, 4))
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        N = draw(st.integers(1, 25))
        low, high = draw(st.sampled_from([(0, N), (N // 2, N), (0, N // 4)]))
        parts.append((N, draw(st.lists(st.integers(low, high), min_size=masks, max_size=masks))))
    return parts


@settings(max_examples=30)
@given(networks(), st.floats(0, 1))
def test_totals_are_exact_convolutions(parts, where):
    law = convolved(parts)
    low, high = min(law), max(law)
    for x in {low, high, low - 1, high + 1, low + round(where * (high - low))}:
        assert_tails(total_shared_by_all_log_tails(x, parts), law, x)


@pytest.mark.parametrize("x", range(5))
@pytest.mark.parametrize("size", [10**4, 10**8, 10**12])
def test_totals_of_rare_coincidences(x, size):
    parts = [(5 * size, [3, 2, 4]), (size, [2, 5, 7])]
    assert_tails(total_shared_by_all_log_tails(x, parts), convolved(parts), x)


@pytest.mark.parametrize("x", range(3, 8))
@pytest.mark.parametrize("size", [10**3, 10**12])
def test_totals_that_are_nearly_certain(x, size):
    parts = [(size, [size - 1, 5]), (size, [3, 2])]  # 5 and 0, but for chances of about 5/size
    assert_tails(total_shared_by_all_log_tails(x, parts), convolved(parts), x)


def tilted_law(N, sizes, tilt):
    """exp(tilt x) P(X = x) for all x by the plain chain, so that sums reach into the far tail."""
    smallest, *others = sorted(sizes)
    values = np.arange(smallest + 1.0)
    weight = (values == smallest).astype(float)
    for n in others:
        weight = weight @ np.exp(log_pmf(values[None, :], N, values[:, None], n))
    return weight * np.exp(tilt * values)


@pytest.mark.parametrize(
    ("z", "tilt"), [(-6, -0.5), (-2, -0.2), (0, 0.0), (1, 0.0), (6, 0.3), (25, 0.9)]
)
def test_totals_of_ordinary_layers(z, tilt):
    parts = [(150, [75, 70, 60]), (2400, [480, 500, 700]), (840, [84, 90, 600]), (10, [9, 10, 8])]
    cumulants = [shared_by_all_cumulants(*part) for part in parts]
    mean = sum(float(c.mean) for c in cumulants)
    x = round(mean + z * math.sqrt(sum(c.variance for c in cumulants)))
    total = np.ones(1)
    for N, sizes in parts:
        total = np.convolve(total, tilted_law(N, sizes, tilt))
    with np.errstate(divide="ignore"):
        log_p = np.log(total) - tilt * np.arange(total.size)
    tails = total_shared_by_all_log_tails(x, parts)
    if z >= 0:
        assert tails.ge == pytest.approx(float(np.logaddexp.reduce(log_p[x:])), rel=1e-11)
    if z <= 0:
        assert tails.le == pytest.approx(float(np.logaddexp.reduce(log_p[: x + 1])), rel=1e-11)


@pytest.mark.parametrize("z", [-5, 0, 3, 40])
def test_totals_of_two_large_layers(z):
    layer, other = (10**9, [10**8, 2 * 10**8]), (10**10, [10**9, 4 * 10**8])
    cumulants = [shared_by_all_cumulants(*part) for part in (layer, other)]
    means = [float(c.mean) for c in cumulants]
    variances = [float(c.variance) for c in cumulants]
    x = round(sum(means) + z * math.sqrt(sum(variances)))
    # A direct sum over the first layer's overlap, on a lattice of a fifth of its sd.
    share = (x - sum(means)) * variances[0] / sum(variances)
    step = int(math.sqrt(variances[0]) / 5)
    first = round(means[0] + share) + step * np.arange(-80.0, 81.0)
    log_first = log_pmf(first, layer[0], *layer[1]) + math.log(step)
    le, ge = log_tails(x - first, other[0], *other[1])
    tails = total_shared_by_all_log_tails(x, [layer, other])
    assert tails.ge == pytest.approx(float(np.logaddexp.reduce(log_first + ge)), rel=1e-10)
    if z < 10:
        assert tails.le == pytest.approx(float(np.logaddexp.reduce(log_first + le)), rel=1e-10)


@pytest.mark.parametrize("case", VECTORS)
def test_a_total_of_one_layer_is_the_layer(case):
    N, sizes, x = case["N"], case["sizes"], case["x"]
    total = total_shared_by_all_log_tails(x, [(N, sizes)])
    for ours, alone in zip(total, shared_by_all_log_tails(x, N, sizes), strict=True):
        assert ours == pytest.approx(alone, rel=1e-11, abs=1e-300)


def test_total_kept_by_none():
    parts = [(12, [3, 5, 2]), (9, [1, 1, 6])]
    law = convolved([(N, [N - n for n in sizes]) for N, sizes in parts])
    for x in law:
        assert_tails(total_kept_by_none_log_tails(x, parts), law, x)


def test_total_of_nothing_is_zero():
    assert total_shared_by_all_log_tails(0, []) == (0.0, 0.0, 0.0)
    assert total_shared_by_all_log_tails(7, [(7, [7, 7]), (5, [0, 3])]) == (0.0, 0.0, 0.0)


@given(networks(), st.floats(-5, 20))
def test_centres_of_all_layers_are_those_of_each(parts, tilt):
    laws = [IntersectionLaw(N, tuple(sizes)) for N, sizes in parts]
    laws = [law for law in laws if law.lowest < law.highest]
    if laws:
        means, sds = IntersectionLaw.centres(laws)(tilt)
        alone = np.array([law.centre(tilt) for law in laws]).T
        np.testing.assert_allclose((means, sds), alone, rtol=1e-6, atol=1e-6)


def test_three_hundred_layers_do_not_overflow():
    N, sizes = 1000, [500, 400, 450]
    mean, variance, *_ = (float(c) for c in shared_by_all_cumulants(N, sizes))
    x = round(300 * mean + 2 * math.sqrt(300 * variance))
    log_p = math.log(0.5 * math.erfc((x - 300 * mean - 0.5) / math.sqrt(600 * variance)))
    assert total_shared_by_all_log_tails(x, [(N, sizes)] * 300).ge == pytest.approx(log_p, abs=2e-2)
