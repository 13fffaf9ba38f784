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
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats.chi_square import chi_square_log_sf, normal_log_sf
from maskstat.stats.consensus_bins import (
    bin_log_p,
    bin_moments,
    bins_omnibus,
    layer_bin_moments,
    overlap_sum_moments,
    total_bin_moments,
)
from maskstat.stats.hypergeometric import moments as pair_moments

VECTORS = json.loads((Path(__file__).parent / "data" / "chance.json").read_text())["bins"]


@st.composite
def layers(draw, most_weights=60, most_masks=6):
    N = draw(st.integers(1, most_weights))
    return N, draw(st.lists(st.integers(0, N), min_size=1, max_size=most_masks))


def fraction_moments(N, sizes):
    """Mean and covariance by following one weight, and a pair of weights, through all masks."""
    one = {0: Fraction(1)}
    two = {(0, 0): Fraction(1)}
    for n in sizes:
        keep = Fraction(n, N)
        new_one, new_two = Counter(), Counter()
        for j, p in one.items():
            new_one[j + 1] += p * keep
            new_one[j] += p * (1 - keep)
        for (j, i), p in two.items():
            pairs = N * (N - 1)
            new_two[j + 1, i + 1] += p * Fraction(n * (n - 1), pairs)
            new_two[j + 1, i] += p * Fraction(n * (N - n), pairs)
            new_two[j, i + 1] += p * Fraction(n * (N - n), pairs)
            new_two[j, i] += p * Fraction((N - n) * (N - n - 1), pairs)
        one, two = new_one, new_two
    k = len(sizes)
    mean = [N * one[j] for j in range(k + 1)]
    cov = [
        [
            N * (N - 1) * two[j, i] + (mean[j] if i == j else 0) - mean[j] * mean[i]
            for i in range(k + 1)
        ]
        for j in range(k + 1)
    ]
    return mean, cov


def assert_moments(moments, mean, cov, tolerance=1e-12):
    sd = np.sqrt(np.array([float(cov[j][j]) for j in range(len(mean))]))
    np.testing.assert_allclose(moments.mean, [float(m) for m in mean], rtol=tolerance)
    expected = np.array([[float(c) for c in row] for row in cov])
    np.testing.assert_allclose(np.diag(moments.cov), np.diag(expected), rtol=tolerance, atol=1e-300)
    assert np.all(abs(moments.cov - expected) <= tolerance * np.outer(sd, sd))


@given(st.integers(1, 6), st.data())
def test_layers_at_once_are_layers_alone(masks, data):
    several = []
    for _ in range(data.draw(st.integers(1, 5))):
        N = data.draw(st.integers(1, 10**12))
        sizes = data.draw(st.lists(st.integers(0, N), min_size=masks, max_size=masks))
        several.append((N, sizes))
    for ours, layer in zip(layer_bin_moments(several), several, strict=True):
        alone = bin_moments(*layer)
        np.testing.assert_array_equal(ours.mean, alone.mean)
        np.testing.assert_array_equal(ours.cov, alone.cov)


def test_batches_of_layers(monkeypatch):
    several = [(10 * i, [i, 2 * i, 3 * i]) for i in range(1, 8)]
    whole = layer_bin_moments(several)
    monkeypatch.setattr("maskstat.stats.consensus_bins._LARGEST_BATCH", 40)
    for ours, other in zip(layer_bin_moments(several), whole, strict=True):
        np.testing.assert_array_equal(ours.cov, other.cov)


@pytest.mark.parametrize("case", VECTORS)
def test_reference_vectors(case):
    mean, cov = bin_moments(case["N"], case["sizes"])
    np.testing.assert_allclose(mean, [float(m) for m in case["mean"]], rtol=1e-12)
    np.testing.assert_allclose(np.diag(cov), [float(v) for v in case["var"]], rtol=1e-12)
    np.testing.assert_allclose(cov[0, -1], float(case["cov_0k"]), rtol=1e-12)
    np.testing.assert_allclose(cov[1, 2], float(case["cov_12"]), rtol=1e-12)


@pytest.mark.parametrize(
    ("N", "sizes"), [(4, (2, 1)), (4, (3, 2, 1)), (5, (2, 3, 2)), (1, (1, 0)), (3, (0, 3, 2))]
)
def test_moments_are_those_of_all_masks_there_are(N, sizes):
    masks = [list(itertools.combinations(range(N), n)) for n in sizes]
    outcomes = []
    for choice in itertools.product(*masks):
        votes = Counter(itertools.chain.from_iterable(choice))
        outcomes.append([sum(votes[w] == j for w in range(N)) for j in range(len(sizes) + 1)])
    outcomes = np.array(outcomes, float)
    mean, cov = bin_moments(N, sizes)
    np.testing.assert_allclose(mean, outcomes.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(cov, np.cov(outcomes.T, bias=True), atol=1e-13)


@given(layers(most_weights=10**4).filter(lambda case: case[0] > 1))
def test_moments_are_exact_fractions(case):
    assert_moments(bin_moments(*case), *fraction_moments(*case))


@pytest.mark.parametrize(
    ("N", "sizes"),
    [
        (10**10, [10**4] * 3),
        (10**10, [10**4, 10**5, 3000, 10**9]),
        (10**10, [10**10 - 1, 10**10 - 5, 10**10 - 10**4]),
        (10**10, [2 * 10**9] * 20),
        (2**53, [10**6, 10**9, 2**52, 12345]),
    ],
)
def test_nothing_cancels_in_large_or_lopsided_layers(N, sizes):
    assert_moments(bin_moments(N, sizes), *fraction_moments(N, sizes))


@given(layers(), st.randoms(use_true_random=False))
def test_identities(case, rnd):
    N, sizes = case
    mean, cov = bin_moments(N, sizes)
    j = np.arange(len(sizes) + 1)
    np.testing.assert_allclose([mean.sum(), j @ mean], [N, sum(sizes)], rtol=1e-12)
    # sum B and sum jB are fixed, so they have no covariance with anything.
    assert np.all(abs(cov.sum(axis=0)) <= 1e-11 * N)
    assert np.all(abs(j @ cov) <= 1e-11 * N)
    shuffled = rnd.sample(sizes, len(sizes))
    assert_moments(bin_moments(N, shuffled), mean, cov, 1e-11)
    flipped = bin_moments(N, [N - n for n in sizes])
    assert_moments(flipped, mean[::-1], cov[::-1, ::-1], 1e-11)


@given(layers())
def test_sum_of_pair_overlaps(case):
    N, sizes = case
    pairs = list(itertools.combinations(sizes, 2))
    mean, sd = overlap_sum_moments(bin_moments(N, sizes))
    by_pair = [pair_moments(N, a, b) for a, b in pairs]
    assert mean == pytest.approx(sum(float(m[0]) for m in by_pair), rel=1e-12, abs=1e-12)
    assert sd**2 == pytest.approx(sum(float(m[1]) for m in by_pair), rel=1e-9, abs=1e-9)


@given(layers(), st.integers(0, 2**32))
def test_sum_of_pair_overlaps_is_a_count_of_votes(case, seed):
    N, sizes = case
    rng = np.random.default_rng(seed)
    masks = np.zeros((len(sizes), N), bool)
    for mask, n in zip(masks, sizes, strict=True):
        mask[rng.permutation(N)[:n]] = True
    bins = np.bincount(masks.sum(axis=0), minlength=len(sizes) + 1)
    overlaps = sum(int((a & b).sum()) for a, b in itertools.combinations(masks, 2))
    assert overlaps == sum(math.comb(j, 2) * int(b) for j, b in enumerate(bins))


def test_fixed_sizes_matter():
    # The design's example: a multinomial would have sd 23.0 where the truth is 14.4.
    sd = bin_moments(2400, [480] * 5).sd
    np.testing.assert_allclose(sd, [14.4, 24.1, 16.3, 9.2, 3.76, 0.873], rtol=5e-3)


def test_layers_add():
    parts = [(150, [75, 60, 30]), (2400, [480, 500, 20]), (7, [7, 0, 3])]
    total = total_bin_moments(parts)
    separate = [bin_moments(*part) for part in parts]
    np.testing.assert_allclose(total.mean, sum(p.mean for p in separate))
    np.testing.assert_allclose(total.cov, sum(p.cov for p in separate))


@pytest.mark.parametrize("parts", [[], [(5, [2, 3]), (5, [2])]])
def test_layers_have_to_match(parts):
    with pytest.raises(UsageError):
        total_bin_moments(parts)


@given(
    st.integers(200, 5000),
    st.lists(st.floats(0.3, 0.7), min_size=2, max_size=6),
    st.integers(0, 2**32),
)
def test_omnibus_is_the_pseudo_inverse_quadratic_form(N, densities, seed):
    sizes = [round(N * d) for d in densities]
    null = bin_moments(N, sizes)
    rng = np.random.default_rng(seed)
    votes = sum(np.bincount(rng.permutation(N)[:n], minlength=N) for n in sizes)
    counts = np.bincount(votes, minlength=len(sizes) + 1)
    test = bins_omnibus(counts, null)
    assume(len(test.groups) == counts.size)
    off = counts - null.mean
    expected = off @ np.linalg.pinv(null.cov, rcond=1e-9, hermitian=True) @ off
    assert test.df == len(sizes) - 1
    assert test.statistic == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_omnibus_of_two_masks_is_z_squared():
    null = bin_moments(1000, [300, 400])
    test = bins_omnibus([410, 460 + 20, 110], null)
    z2 = (110 - 120) ** 2 / float(pair_moments(1000, 300, 400)[1])
    assert test.df == 1
    assert test.statistic == pytest.approx(z2)


def test_small_bins_are_counted_together():
    null = bin_moments(2400, [480] * 5)
    test = bins_omnibus([786, 984, 491, 123, 15, 1], null)
    assert test.groups == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5))
    assert test.df == 3
    # The two fullest groups, j = 0 and 1, follow from the others.
    merge = np.array([[0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 1]])
    off = merge @ (np.array([786, 984, 491, 123, 15, 1]) - null.mean)
    assert test.statistic == pytest.approx(off @ np.linalg.solve(merge @ null.cov @ merge.T, off))
    moved = bins_omnibus([786, 984, 491, 123, 16, 0], null)
    assert moved.statistic == pytest.approx(test.statistic)  # only within a group


@pytest.mark.parametrize(("n", "last"), [(170, (2, 3)), (171, (3, 3))])
def test_groups_expect_five_weights_or_more(n, last):
    null = bin_moments(1000, [n] * 3)  # n**3 / 10**6 are shared by all: 4.91 and 5.0002
    assert bins_omnibus(np.round(null.mean), null).groups[-1] == last


@pytest.mark.parametrize(
    ("N", "sizes"), [(1, [1, 1]), (10, [0, 4, 10]), (1000, [1, 1, 1]), (50, [25]), (4, [2, 2, 2])]
)
def test_nothing_to_test(N, sizes):
    null = bin_moments(N, sizes)
    test = bins_omnibus(np.round(null.mean), null)
    assert (test.statistic, test.df, test.log10_p) == (None, 0, None)


def test_degenerate_masks_do_not_cost_degrees_of_freedom():
    null = bin_moments(2000, [900, 1000, 1100])
    counts = np.array([230, 730, 790, 250])
    plain = bins_omnibus(counts, null)
    padded = bins_omnibus([0, *counts, 0], bin_moments(2000, [900, 2000, 1000, 0, 1100]))
    assert padded.df == plain.df == 2
    assert padded.statistic == pytest.approx(plain.statistic)


def test_omnibus_far_out_is_finite():
    null = bin_moments(10**8, [5 * 10**7] * 5)
    all_equal = [5 * 10**7, 0, 0, 0, 0, 5 * 10**7]
    test = bins_omnibus(all_equal, null)
    assert test.log10_p is not None
    assert -1e9 < test.log10_p < -1e6


def test_omnibus_wants_matching_bins():
    with pytest.raises(UsageError):
        bins_omnibus([1, 2], bin_moments(10, [5, 5]))


@pytest.mark.slow
def test_omnibus_size():
    rng = np.random.default_rng(20)
    N, sizes, draws = 2400, [480] * 5, 4000
    null = bin_moments(N, sizes)
    below = np.zeros(2)
    for _ in range(draws):
        votes = np.zeros(N, int)
        for n in sizes:
            votes[rng.permutation(N)[:n]] += 1
        p = 10 ** bins_omnibus(np.bincount(votes, minlength=6), null).log10_p
        below += [p <= 0.05, p <= 0.01]
    rate = below / draws
    assert 0.03 < rate[0] < 0.065
    assert 0.005 < rate[1] < 0.02


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 10, 29, 99])
@pytest.mark.parametrize("x", [1e-6, 0.3, 1.0, 5.0, 29.0, 99.0, 150.0, 1300.0, 1e5, 1e9])
def test_chi_square_tail(df, x):
    with mpmath.workdps(60):
        exact = mpmath.log(mpmath.gammainc(mpmath.mpf(df) / 2, mpmath.mpf(x) / 2, regularized=True))
        assert chi_square_log_sf(x, df) == pytest.approx(float(exact), rel=1e-11, abs=1e-16)


@pytest.mark.parametrize("z", [-40.0, -3.0, -1e-9, 0.0, 0.5, 5.0, 35.3, 35.4, 40.0, 1e4])
def test_normal_tail(z):
    with mpmath.workdps(400):
        exact = mpmath.log(mpmath.erfc(z / mpmath.sqrt(2)) / 2)
        assert normal_log_sf(z) == pytest.approx(float(exact), rel=1e-12, abs=1e-300)


def test_nothing_is_certain_at_zero():
    assert chi_square_log_sf(0.0, 3) == 0.0
    assert chi_square_log_sf(5e-324, 1) == 0.0  # half of it is 0


def test_normal_p_of_a_bin():
    assert bin_log_p(5, 9.9, 2.0) is None
    assert bin_log_p(10, 10.0, 2.0) == 0.0
    assert bin_log_p(5, 20.0, 0.0) is None
    assert bin_log_p(100, 100.2, 5.0) == 0.0
    assert bin_log_p(120, 100.0, 5.0) == bin_log_p(80, 100.0, 5.0)
    assert bin_log_p(120, 100.0, 5.0) == pytest.approx(math.log(math.erfc(3.9 / math.sqrt(2))))


@pytest.mark.parametrize(
    ("N", "sizes"), [(0, [0]), (5, []), (5, [6]), (5, [-1]), (5, [2.5]), (2**53 + 1, [1])]
)
def test_impossible_sizes(N, sizes):
    with pytest.raises(UsageError):
        bin_moments(N, sizes)


@settings(max_examples=20)
@given(layers())
def test_numpy_integers_are_counts(case):
    N, sizes = case
    ours = bin_moments(np.int64(N), np.array(sizes))
    np.testing.assert_array_equal(ours.mean, bin_moments(N, sizes).mean)
