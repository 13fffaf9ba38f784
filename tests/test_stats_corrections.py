import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from maskstat.errors import UsageError
from maskstat.stats.corrections import adjust, family_size
from maskstat.stats.dependence import jackknife_runs, significant_fraction
from maskstat.stats.hypergeometric import moments
from maskstat.stats.pairtest import exact_size, interval

LOGS = st.lists(st.floats(-300, 0), min_size=1, max_size=40)
METHODS = ["bh", "holm", "by", "none"]


def holm_by_definition(p):
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    for rank, i in enumerate(order):
        adjusted[i] = min(
            1.0, max((len(p) - earlier) * p[order[earlier]] for earlier in range(rank + 1))
        )
    return adjusted


@given(LOGS)
def test_false_discovery_rates_equal_scipy(logs):
    p = 10.0 ** np.array(logs)
    for method in ("bh", "by"):
        expected = false_discovery_control(p, method=method)
        np.testing.assert_allclose(10 ** adjust(logs, method=method), expected, rtol=1e-11)


@given(LOGS)
def test_holm_equals_its_definition(logs):
    p = 10.0 ** np.array(logs)
    np.testing.assert_allclose(10 ** adjust(logs, method="holm"), holm_by_definition(p), rtol=1e-11)


@given(st.lists(st.floats(-1e9, 0), min_size=1, max_size=40), st.randoms())
def test_adjusting_keeps_order_and_never_helps(logs, random):
    logs = np.array(logs)
    shuffled = np.array(random.sample(range(len(logs)), len(logs)))
    for method in METHODS:
        adjusted = adjust(logs, method=method)
        assert np.all(adjusted >= logs)
        assert np.all(adjusted <= 0)
        assert np.all(np.diff(adjusted[np.argsort(logs)]) >= 0)
        np.testing.assert_array_equal(adjust(logs[shuffled], method=method), adjusted[shuffled])


@given(LOGS)
def test_untestable_rows_are_no_tests(logs):
    with_gaps = np.array([v for log in logs for v in (math.nan, log)])
    for method in METHODS:
        adjusted = adjust(with_gaps, method=method)
        assert np.all(np.isnan(adjusted[::2]))
        np.testing.assert_array_equal(adjusted[1::2], adjust(logs, method=method))
    assert family_size(with_gaps) == len(logs)


def test_p_values_beyond_floating_point():
    adjusted = adjust([-1e6, -1e5, -0.1], method="bh")
    np.testing.assert_allclose(adjusted, [-1e6 + math.log10(3), -1e5 + math.log10(1.5), -0.1])


def test_degenerate_families():
    assert adjust([]).shape == (0,)
    assert np.isnan(adjust([math.nan])).all()
    assert family_size([math.nan]) == 0
    for method in METHODS:
        assert adjust([-2.0], method=method).tolist() == [-2.0]
    np.testing.assert_allclose(adjust([-2.0, -2.0], method="bh"), -2.0)


def test_shape_is_kept():
    logs = np.array([[-3.0, -1.0], [math.nan, -2.0]])
    assert adjust(logs).shape == (2, 2)
    np.testing.assert_array_equal(adjust(logs).ravel(), adjust(logs.ravel()))


def test_unknown_method_is_refused():
    with pytest.raises(UsageError) as caught:
        adjust([-1.0], method="bonferroni")
    assert caught.value.code == "unknown-correction"


def test_fractions_are_counted_beside_their_expectation():
    counted = significant_fraction(
        [1, 5, 9, 9, 100],
        low=2,
        high=8,
        size_above=[0.02, 0.02, 0.01, 0.01, 0.5],
        size_below=0.01,
        testable=[True, True, True, True, False],
    )
    assert (counted.tests, counted.above, counted.below) == (4, 0.5, 0.25)
    assert counted.expected_above == pytest.approx(0.015)
    assert counted.expected_below == pytest.approx(0.01)
    assert counted.sd_above == pytest.approx(math.sqrt(2 * 0.02 * 0.98 + 2 * 0.01 * 0.99) / 4)
    assert counted.sd_below == pytest.approx(math.sqrt(4 * 0.01 * 0.99) / 4)


def test_no_tests_no_fraction():
    counted = significant_fraction([], low=[], high=[], size_above=[], size_below=[])
    assert counted.tests == 0
    assert math.isnan(counted.above)
    assert math.isnan(counted.sd_below)


@pytest.mark.slow
def test_expectation_and_spread_hold_for_the_pairs_of_random_masks():
    rng = np.random.default_rng(7)
    N, n, masks, families = 150, 60, 5, 2000
    low, high = interval(N, n, n)
    above, below = exact_size(N, n, n)
    rows = rng.random((families, masks, N)).argsort(axis=-1) < n
    pairs = list(itertools.combinations(range(masks), 2))
    fractions = [
        significant_fraction(
            [int((family[i] & family[j]).sum()) for i, j in pairs],
            low=low,
            high=high,
            size_above=above,
            size_below=below,
        )
        for family in rows
    ]
    observed = np.array([f.above for f in fractions])
    assert observed.mean() == pytest.approx(fractions[0].expected_above, abs=4e-3)
    assert observed.std() == pytest.approx(fractions[0].sd_above, rel=0.1)


@given(st.integers(3, 7), st.randoms())
def test_jackknife_equals_leaving_runs_out(runs, random):
    pairs = list(itertools.combinations("abcdefg"[:runs], 2))
    values = np.array([random.random() for _ in pairs])
    left, right = zip(*pairs, strict=True)
    result = jackknife_runs(values, left, right)
    without = []
    for run in "abcdefg"[:runs]:
        kept = [v for v, pair in zip(values, pairs, strict=True) if run not in pair]
        without.append(np.mean(kept))
    se = math.sqrt((runs - 1) * np.var(without))
    assert result.mean == pytest.approx(values.mean())
    assert result.se == pytest.approx(se, abs=1e-14)
    assert (result.pairs, result.runs) == (len(pairs), runs)


def test_jackknife_sees_that_pairs_share_runs():
    """One odd run shifts all its pairs together, which the spread of pairs would understate."""
    pairs = list(itertools.combinations(range(6), 2))
    values = [1.0 if 0 in pair else 0.0 for pair in pairs]
    result = jackknife_runs(values, *zip(*pairs, strict=True))
    naive = np.std(values, ddof=1) / math.sqrt(len(values))
    assert result.se > 2 * naive


def test_jackknife_between_two_groups():
    values = np.arange(6.0)
    result = jackknife_runs(values, list("aaabbb"), list("xyzxyz"))
    without = [[3, 4, 5], [0, 1, 2], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 3, 4]]
    assert result.runs == 5
    assert result.se == pytest.approx(math.sqrt(4 * np.var([np.mean(v) for v in without])))


def test_jackknife_leaves_out_missing_values():
    result = jackknife_runs([1.0, math.nan, 2.0, 6.0], list("adab"), list("bacc"))
    assert result == jackknife_runs([1.0, 2.0, 6.0], list("aab"), list("bcc"))


def test_jackknife_needs_three_runs():
    two = jackknife_runs([0.4], ["a"], ["b"])
    assert (two.mean, two.pairs, two.runs) == (0.4, 1, 2)
    assert math.isnan(two.se)
    star = jackknife_runs([0.4, 0.6], ["a", "a"], ["b", "c"])  # without a, no pair is left
    assert math.isnan(star.se)
    nothing = jackknife_runs([], [], [])
    assert (nothing.pairs, nothing.runs) == (0, 0)
    assert math.isnan(nothing.mean)


def test_jackknife_refuses_unpaired_labels():
    with pytest.raises(UsageError):
        jackknife_runs([1.0, 2.0], ["a"], ["b"])


@pytest.mark.slow
def test_jackknife_error_is_calibrated_under_a_shared_signal():
    """Pairs of runs with a common latent pattern: naive errors would be far too small."""
    rng = np.random.default_rng(3)
    N, n, runs, studies = 400, 80, 6, 300
    pairs = list(itertools.combinations(range(runs), 2))
    left, right = zip(*pairs, strict=True)
    means, errors, naive = [], [], []
    for _ in range(studies):
        common = rng.normal(size=N)
        weight = rng.uniform(0.2, 0.9, runs)[:, None]
        scores = weight * common + rng.normal(size=(runs, N))
        kept = scores.argsort(axis=1).argsort(axis=1) >= N - n
        values = [int((kept[i] & kept[j]).sum()) for i, j in pairs]
        result = jackknife_runs(values, left, right)
        means.append(result.mean)
        errors.append(result.se)
        naive.append(np.std(values, ddof=1) / math.sqrt(len(values)))
    assert np.mean(means) > 1.3 * float(moments(N, n, n)[0])
    jackknife, understated = (
        math.sqrt(np.mean(np.square(v))) / np.std(means) for v in (errors, naive)
    )
    assert 0.85 < jackknife < 1.3
    assert understated < 0.7
