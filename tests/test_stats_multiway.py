from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats import lattice, multiway
from maskstat.stats.consensus_bins import bin_moments
from maskstat.stats.hypergeometric import log_pmf, log_tails
from maskstat.stats.multiway import (
    kept_by_none_cumulants,
    kept_by_none_log_tails,
    shared_by_all_cumulants,
    shared_by_all_log_tails,
    total_kept_by_none_log_tails,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["kway"]


def support(N, sizes):
    return max(0, N - sum(N - n for n in sizes)), min(sizes)


def kept_sets(N, sizes):
    """For every r, in how many ways r given or more weights are kept by all masks."""
    return [
        math.comb(N, r) * math.prod(math.comb(N - r, n - r) for n in sizes)
        for r in range(min(sizes) + 1)
    ]


def exact_ways(N, sizes):
    """In how many ways exactly x weights are kept by all, by inclusion and exclusion."""
    ways = kept_sets(N, sizes)
    low, high = support(N, sizes)
    return {
        x: sum((-1) ** (r - x) * math.comb(r, x) * ways[r] for r in range(x, high + 1))
        for x in range(low, high + 1)
    }


def exact_law(N, sizes):
    ways = exact_ways(N, sizes)
    return {x: Fraction(w, sum(ways.values())) for x, w in ways.items()}


def log_of(p):
    """ln of a fraction, to 50 digits also next to 1."""
    with mpmath.workdps(50):
        if p == 0:
            return -mpmath.inf
        if p > Fraction(1, 2):
            return mpmath.log1p(-mpmath.mpf((1 - p).numerator) / (1 - p).denominator)
        return mpmath.log(mpmath.mpf(p.numerator) / p.denominator)


def assert_close(ours, exact, tolerance=1e-12):
    exact = float(exact)
    if math.isinf(exact) or exact == 0.0:
        assert ours == exact
    else:  # the log of a probability next to 1 may be subnormal
        assert ours == pytest.approx(exact, rel=tolerance, abs=1e-300)


def assert_tails(tails, law, x):
    assert_close(tails.le, log_of(sum(p for y, p in law.items() if y <= x)))
    assert_close(tails.ge, log_of(sum(p for y, p in law.items() if y >= x)))
    assert_close(tails.eq, log_of(law.get(x, Fraction(0))))


@st.composite
def layers(draw, most_weights=150, masks=(1, 7)):
    N = draw(st.integers(1, most_weights))
    size = draw(
        st.sampled_from([st.integers(0, N), st.integers(N // 2, N), st.integers(0, N // 4)])
    )
    return N, draw(st.lists(size, min_size=masks[0], max_size=masks[1]))


@st.composite
def layers_and_x(draw, **limits):
    N, sizes = draw(layers(**limits))
    low, high = support(N, sizes)
    return draw(st.integers(low - 1, high + 1)), N, sizes


@pytest.mark.parametrize("case", VECTORS)
def test_reference_vectors(case):
    tails = shared_by_all_log_tails(case["x"], case["N"], case["sizes"])
    names = {"log10_cdf": tails.le, "log10_sf_incl": tails.ge, "log10_pmf": tails.eq}
    for name, ours in names.items():
        if case[name] is not None:
            assert ours / math.log(10) == pytest.approx(float(case[name]), rel=1e-10, abs=1e-300)
    mean, variance, *_ = shared_by_all_cumulants(case["N"], case["sizes"])
    assert float(mean) == pytest.approx(float(case["mean"]), rel=1e-12)
    assert float(variance) == pytest.approx(float(case["var"]), rel=1e-12)


@settings(max_examples=150)
@given(layers_and_x())
def test_tails_are_exact_on_small_layers(case):
    x, N, sizes = case
    assert_tails(shared_by_all_log_tails(x, N, sizes), exact_law(N, sizes), x)


@given(layers_and_x(most_weights=60))
def test_kept_by_none_is_shared_by_complements(case):
    x, N, kept = case
    assert_tails(kept_by_none_log_tails(x, N, [N - n for n in kept]), exact_law(N, kept), x)
    assert kept_by_none_cumulants(N, [N - n for n in kept]) == shared_by_all_cumulants(N, kept)


@pytest.mark.parametrize("sizes", [(2, 1), (3, 2, 1), (3, 3, 2), (4, 2, 0)])
def test_laws_are_those_of_all_masks_there_are(sizes):
    N = 4
    masks = [list(itertools.combinations(range(N), n)) for n in sizes]
    shared, never = Counter(), Counter()
    for choice in itertools.product(*masks):
        shared[len(set.intersection(*map(set, choice)))] += 1
        never[N - len(set.union(*map(set, choice)))] += 1
    every = shared.total()
    for x in range(N + 1):
        assert_close(shared_by_all_log_tails(x, N, sizes).eq, log_of(Fraction(shared[x], every)))
        assert_close(kept_by_none_log_tails(x, N, sizes).eq, log_of(Fraction(never[x], every)))


@pytest.mark.parametrize(
    ("N", "sizes", "zs"),
    [
        (1500, [700, 900, 1100, 1400], (-4, 0.3, 9)),
        (2000, [1700] * 8, (-6, 1, 15)),
        (2500, [300, 2490, 2400, 1200, 2499], (-3, 0, 6)),
        (3000, [600] * 3, (0, 4, 60)),
        (1200, [1195, 1190, 1150], (-2, 0, 3)),
    ],
)
def test_tails_are_exact_on_larger_layers(N, sizes, zs):
    ways, every = kept_sets(N, sizes), math.prod(math.comb(N, n) for n in sizes)
    mean, variance, *_ = (float(c) for c in shared_by_all_cumulants(N, sizes))
    for z in zs:
        x = round(mean + z * math.sqrt(variance))
        above = range(x, len(ways))
        eq = sum((-1) ** (r - x) * math.comb(r, x) * ways[r] for r in above)
        ge = sum((-1) ** (r - x) * math.comb(r - 1, x - 1) * ways[r] for r in above)
        tails = shared_by_all_log_tails(x, N, sizes)
        for ours, exact in zip(tails, (every - ge + eq, ge, eq), strict=True):
            assert_close(ours, log_of(Fraction(exact, every)))


def plain_chain(x, N, sizes):
    """The chain of hypergeometric laws summed over every value of every hidden size."""
    smallest, *others = sorted(sizes)
    m, log_weight = np.array([float(smallest)]), np.zeros(1)
    for n in others[:-1]:
        following = np.arange(smallest + 1.0)
        moves = log_pmf(following[None, :], N, m[:, None], n)
        log_weight = np.logaddexp.reduce(log_weight[:, None] + moves, axis=0)
        m = following
    last = others[-1]
    le, ge = log_tails(x, N, m, last)
    return [
        float(np.logaddexp.reduce(log_weight + part)) for part in (le, ge, log_pmf(x, N, m, last))
    ]


@pytest.mark.parametrize(
    ("N", "sizes", "x"),
    [
        (10**10, [500, 10**9, 9 * 10**9], 50),
        (10**10, [500, 10**9, 9 * 10**9], 200),
        (10**10, [700, 10**10 - 1, 10**10 - 10**9, 5 * 10**9], 400),
        (10**7, [600, 800, 10**6], 0),
        (10**7, [600, 800, 10**6, 9 * 10**6], 3),
        (10**6, [400] * 4, 1),
        (10**5, [450, 99_999, 99_000, 50_000, 40_000], 60),
    ],
)
def test_windows_and_thinning_lose_nothing(N, sizes, x):
    tails = shared_by_all_log_tails(x, N, sizes)
    for ours, plain in zip(tails, plain_chain(x, N, sizes), strict=True):
        assert ours == pytest.approx(plain, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("z", [-8, -1, 0, 2, 30, 2000])
@pytest.mark.parametrize(
    ("N", "densities"),
    [
        (10**6, [0.5] * 5),
        (10**8, [0.01, 0.2, 0.6]),
        (10**10, [0.9] * 8),
        (10**10, [0.02, 0.5, 1 - 1e-8, 1 - 1e-5, 0.3]),
        (2**53, [0.1] * 3),
    ],
)
def test_a_wider_and_finer_lattice_changes_nothing(N, densities, z, monkeypatch):
    sizes = [round(N * d) for d in densities]
    mean, variance, *_ = (float(c) for c in shared_by_all_cumulants(N, sizes))
    low, high = support(N, sizes)
    x = min(max(round(mean + z * math.sqrt(variance)), low), high)
    tails = shared_by_all_log_tails(x, N, sizes)
    for module in (lattice, multiway):
        monkeypatch.setattr(module, "REACH_SD", 11.0)
        monkeypatch.setattr(module, "REACH_CELLS", 33.0)
    monkeypatch.setattr(lattice, "_THINNING", 90.0)
    for ours, finer in zip(tails, shared_by_all_log_tails(x, N, sizes), strict=True):
        assert ours == pytest.approx(finer, rel=1e-11, abs=1e-300)


@given(layers_and_x(masks=(2, 6)), st.randoms(use_true_random=False))
def test_order_of_masks_and_full_masks_do_not_matter(case, rnd):
    x, N, sizes = case
    tails = shared_by_all_log_tails(x, N, sizes)
    assert shared_by_all_log_tails(x, N, rnd.sample([*sizes, N], len(sizes) + 1)) == tails


@given(layers(most_weights=3000, masks=(2, 6)), st.floats(0, 1))
def test_tails_are_monotone_and_meet(case, where):
    N, sizes = case
    low, high = support(N, sizes)
    x = low + int(where * (high - low))
    here, after = (shared_by_all_log_tails(y, N, sizes) for y in (x, x + 1))
    assert here.le <= after.le
    assert here.ge >= after.ge
    assert math.exp(here.le) + math.exp(after.ge) == pytest.approx(1.0, abs=1e-12)
    assert here.eq <= min(here.le, here.ge) + 1e-12


@pytest.mark.parametrize("x", [0, 90, 96, 120, 480])
def test_two_masks_are_a_pair(x):
    tails = shared_by_all_log_tails(x, 2400, [480, 480])
    le, ge = log_tails(x, 2400, 480, 480)
    assert tails == pytest.approx((float(le), float(ge), float(log_pmf(x, 2400, 480, 480))))


def test_one_mask_is_certain():
    assert shared_by_all_log_tails(7, 10, [7]) == (0.0, 0.0, 0.0)
    assert shared_by_all_log_tails(6, 10, [7]) == (-math.inf, 0.0, -math.inf)
    assert shared_by_all_log_tails(8, 10, [7]) == (0.0, -math.inf, -math.inf)


@given(layers(most_weights=40))
def test_cumulants_are_those_of_the_law(case):
    law = exact_law(*case)
    mean = sum(p * x for x, p in law.items())
    central = [sum(p * (x - mean) ** r for x, p in law.items()) for r in range(5)]
    fourth = central[4] - 3 * central[2] ** 2
    assert shared_by_all_cumulants(*case) == (mean, central[2], central[3], fourth)


def test_cumulants_are_the_bins_moments_at_any_size():
    N, sizes = 10**10, [10**4, 10**5, 10**9]
    mean, cov = bin_moments(N, sizes)
    shared, never = shared_by_all_cumulants(N, sizes), kept_by_none_cumulants(N, sizes)
    assert (mean[-1], mean[0]) == pytest.approx((float(shared.mean), float(never.mean)))
    assert cov[-1, -1] == pytest.approx(float(shared.variance), rel=1e-12)
    assert cov[0, 0] == pytest.approx(float(never.variance), rel=1e-12)


@pytest.mark.parametrize(
    ("density", "shared", "shared_sd", "never", "never_sd"),
    [
        (0.5, 75, 7.81, 75, 7.81),
        (0.4, 24.6, 4.74, 186.6, 11.1),
        (0.2, 0.768, 0.873, 786.4, 14.4),
        (0.1, 0.024, 0.155, 1417.2, 10.7),
        (0.05, None, None, 1857.1, 6.48),
        (0.02, None, None, 2169.4, 2.89),
    ],
)
def test_numbers_of_the_design(density, shared, shared_sd, never, never_sd):
    sizes = [round(2400 * density)] * 5
    mean, variance, *_ = kept_by_none_cumulants(2400, sizes)
    assert float(mean) == pytest.approx(never, rel=1e-3)
    assert math.sqrt(variance) == pytest.approx(never_sd, rel=5e-3)
    if shared is not None:
        mean, variance, *_ = shared_by_all_cumulants(2400, sizes)
        assert float(mean) == pytest.approx(shared, rel=2e-3)
        assert math.sqrt(variance) == pytest.approx(shared_sd, rel=5e-3)


@pytest.mark.parametrize(
    ("N", "n", "z", "log10_p"),
    [
        (2400, 480, 4, -2.117),
        (2400, 480, 8, -5.91),
        (2400, 1200, 4, -4.035),
        (2400, 1200, 8, -12.67),
        (10**6, 5 * 10**5, 4, -4.4708),
        (10**6, 5 * 10**5, 20, -86.30),
        (10**8, 2 * 10**7, 20, -85.5),
    ],
)
def test_tails_of_the_design(N, n, z, log10_p):
    mean, variance, *_ = (float(c) for c in shared_by_all_cumulants(N, [n] * 5))
    x = mean + z * math.sqrt(variance)
    ours = [
        shared_by_all_log_tails(y, N, [n] * 5).ge / math.log(10)
        for y in (math.floor(x), math.ceil(x))
    ]
    digits = len(str(log10_p).partition(".")[2])
    assert ours[1] - 0.6 * 10**-digits <= log10_p <= ours[0] + 0.6 * 10**-digits


def test_far_tails_are_finite():
    tails = shared_by_all_log_tails(10**8, 10**10, [10**9, 10**8, 5 * 10**8])
    assert -1e10 < tails.ge / math.log(10) < -1e6
    assert tails.le == 0.0
    tails = kept_by_none_log_tails(4 * 10**9, 10**10, [2 * 10**9] * 5)
    assert -1e10 < tails.ge / math.log(10) < -1e6


def test_half_a_second_at_ten_billion_weights():
    sizes = [2 * 10**9, 3 * 10**9, 5 * 10**9, 8 * 10**9, 9 * 10**9]
    mean = int(shared_by_all_cumulants(10**10, sizes).mean)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        shared_by_all_log_tails(mean + 10**5, 10**10, sizes)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


@pytest.mark.slow
def test_p_values_are_calibrated():
    rng = np.random.default_rng(11)
    N, sizes, draws = 840, [420, 400, 380, 440, 420], 3000
    low = {"shared": 0, "never": 0}
    cache = {}
    for _ in range(draws):
        votes = np.zeros(N, int)
        for n in sizes:
            votes[rng.permutation(N)[:n]] += 1
        counts = np.bincount(votes, minlength=6)
        for name, tails_of, x in (
            ("shared", shared_by_all_log_tails, int(counts[5])),
            ("never", kept_by_none_log_tails, int(counts[0])),
        ):
            if (name, x) not in cache:
                tails = tails_of(x, N, sizes)
                cache[name, x] = 2 * math.exp(min(tails.le, tails.ge)) <= 0.05
            low[name] += cache[name, x]
    for rejected in low.values():
        assert 0.02 < rejected / draws < 0.06


@pytest.mark.parametrize(
    ("x", "N", "sizes"), [(0, 0, [0]), (0, 5, []), (0, 5, [6, 1]), (0.5, 5, [2]), (0, 5, [-1])]
)
def test_impossible_counts(x, N, sizes):
    for tails in (shared_by_all_log_tails, kept_by_none_log_tails):
        with pytest.raises(UsageError):
            tails(x, N, sizes)


def test_a_count_that_is_none_is_called_by_its_name():
    with pytest.raises(UsageError, match=r"weights kept by none is 0\.5"):
        kept_by_none_log_tails(0.5, 5, [2])
    with pytest.raises(UsageError, match=r"weights kept by none is 0\.5"):
        total_kept_by_none_log_tails(0.5, [(5, [2])])
