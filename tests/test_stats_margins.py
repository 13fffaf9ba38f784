"""Row, column and margins nulls: exact laws by enumeration, invariances, calibration."""

from fractions import Fraction
from itertools import combinations, product
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskstat.errors import LayoutMismatchError
from maskstat.stats.hypergeometric import log_tails, moments
from maskstat.stats.margins import margins_null
from maskstat.stats.stratified import interval_total, p_values_total
from maskstat.stats.units import kept_per_unit, unit_null


def convolved(strata):
    """Exact law of the sum of independent overlaps, as Fractions from value 0 up."""
    law = [Fraction(1)]
    for N, a, b in strata:
        pmf = [Fraction(comb(a, x) * comb(N - a, b - x), comb(N, b)) for x in range(min(a, b) + 1)]
        total = [Fraction(0)] * (len(law) + len(pmf) - 1)
        for (x, p), (y, q) in product(enumerate(law), enumerate(pmf)):
            total[x + y] += p * q
        law = total
    return law


def pairs(least, most):
    shapes = st.tuples(st.integers(least, most), st.integers(least, most))
    return shapes.flatmap(lambda s: st.tuples(hnp.arrays(bool, s), hnp.arrays(bool, s)))


@pytest.mark.parametrize("by", ["row", "column"])
@given(case=pairs(1, 6))
def test_units_against_exact_convolution(by, case):
    a, b = case
    null = unit_null(a, b, by=by)
    along = (a, b) if by == "row" else (a.T, b.T)
    strata = [(x.size, int(x.sum()), int(y.sum())) for x, y in zip(*along, strict=True)]
    law = convolved(strata)
    mean = sum(x * p for x, p in enumerate(law))
    central = [float(sum((x - mean) ** k * p for x, p in enumerate(law))) for k in (2, 3)]
    assert null.shared == (a & b).sum()
    assert null.mean == pytest.approx(float(mean), rel=1e-13)
    assert [null.variance, null.third_cumulant] == pytest.approx(central, rel=1e-12, abs=1e-12)
    below, above = sum(law[: null.shared + 1]), sum(law[null.shared :])
    logs = [null.log_p_le, null.log_p_ge]
    assert logs == pytest.approx([log(below), log(above)], rel=1e-10, abs=1e-12)
    assert (null.z is None) == (sum(p > 0 for p in law) == 1)


def test_a_convolution_is_a_matrix_of_filters_and_positions():
    rng = np.random.default_rng(0)
    mask = rng.random((5, 3, 2, 2)) < 0.4
    by_row, by_column = kept_per_unit(mask, "row"), kept_per_unit(mask, "column")
    assert by_row.tolist() == mask.sum(axis=(1, 2, 3)).tolist()
    assert by_column.tolist() == mask.sum(axis=0).ravel().tolist()
    other = rng.random(mask.shape) < 0.4
    for by in ("row", "column"):
        flat = unit_null(mask.reshape(5, 12), other.reshape(5, 12), by=by)
        assert unit_null(mask, other, by=by).log_p_ge == flat.log_p_ge


def test_one_row_is_the_layer_null():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 1, 500)) < 0.3
    null = unit_null(a, b, by="row")
    x, sizes = null.shared, (500, a.sum(), b.sum())
    expected = [float(moment) for moment in moments(*sizes)]
    assert [null.mean, null.variance, null.third_cumulant] == pytest.approx(expected)
    assert (null.log_p_le, null.log_p_ge) == pytest.approx([float(t) for t in log_tails(x, *sizes)])


def test_strata_go_on_to_p_values_and_intervals():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 30, 40)) < 0.2
    a[:5], b[10:12], b[20] = False, False, True
    null = unit_null(a, b, by="row")
    assert null.N.size == 22
    p = p_values_total(null.shared - null.fixed, null.N, null.a, null.b)
    tail = min(null.log_p_le, null.log_p_ge)
    assert float(p) == pytest.approx(min(tail + log(2), 0) / log(10), rel=1e-12)
    low, high = interval_total(null.N, null.a, null.b, alpha=0.05)
    assert low + null.fixed < null.mean < high + null.fixed


@pytest.mark.parametrize("rows", [400, 3000])
def test_many_rows_stay_exact(rows):
    rng = np.random.default_rng(3)
    columns = 12
    a, b = rng.random((2, rows, columns)) < 0.4
    b |= a & (rng.random(a.shape) < 0.2)
    null = unit_null(a, b, by="row")
    law = np.ones(1)
    for r1, r2 in zip(a.sum(axis=1).tolist(), b.sum(axis=1).tolist(), strict=True):
        pmf = [comb(r1, x) * comb(columns - r1, r2 - x) for x in range(min(r1, r2) + 1)]
        law = np.convolve(law, np.array(pmf, float) / comb(columns, r2))
    assert null.log_p_ge == pytest.approx(log(law[null.shared :].sum()), rel=1e-9)
    assert null.log_p_le == pytest.approx(log(law[: null.shared + 1].sum()), rel=1e-9, abs=1e-12)


def matrices(r, c):
    """Every 0/1 matrix with these row and column sums."""
    if not r:
        yield from [np.zeros((0, len(c)), bool)] if not any(c) else []
        return
    for chosen in combinations(range(len(c)), r[0]):
        rest = [n - (j in chosen) for j, n in enumerate(c)]
        if min(rest) >= 0:
            row = np.isin(np.arange(len(c)), chosen)[None]
            for below in matrices(r[1:], rest):
                yield np.concatenate([row, below])


def test_margins_against_enumeration():
    rng = np.random.default_rng(4)
    for _ in range(6):
        a, b = rng.random((2, 4, 6)) < rng.uniform(0.35, 0.65)
        every = [
            np.stack(list(matrices(m.sum(axis=1).tolist(), m.sum(axis=0).tolist()))) for m in (a, b)
        ]
        overlaps = every[0].reshape(-1, 24).astype(float) @ every[1].reshape(-1, 24).T.astype(float)
        null = margins_null(a, b)
        assert null.converged
        sd = overlaps.std()
        assert null.mean == pytest.approx(overlaps.mean(), abs=0.1 * sd)
        assert null.variance**0.5 == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_margins_that_fix_one_of_the_masks_against_enumeration(seed):
    rng = np.random.default_rng(seed)
    fixed = np.tri(4, 6, 1, dtype=bool)[rng.permutation(4)]
    other = rng.random((4, 6)) < 0.5
    every = np.stack(list(matrices(other.sum(axis=1).tolist(), other.sum(axis=0).tolist())))
    overlaps = (every & fixed).sum(axis=(1, 2))
    null = margins_null(fixed, other)
    assert null.mean == pytest.approx(overlaps.mean(), abs=0.1 * overlaps.std())
    assert null.variance**0.5 == pytest.approx(overlaps.std(), rel=0.15)


@given(pairs(2, 9))
def test_margins_symmetries(case):
    a, b = case
    null = margins_null(a, b)
    assert null.shared == (a & b).sum()
    swapped, turned = margins_null(b, a), margins_null(a.T, b.T)
    shuffled = margins_null(a[::-1, ::-1], b[::-1, ::-1])
    for other in (swapped, turned, shuffled):
        assert other.mean == pytest.approx(null.mean, abs=2e-3 + 1e-3 * null.misfit)
    if null.converged:
        against = margins_null(a, ~b)
        assert null.mean + against.mean == pytest.approx(a.sum(), abs=1e-3)
        assert against.variance == pytest.approx(null.variance, rel=1e-3, abs=1e-6)
        assert swapped.variance == pytest.approx(null.variance, rel=1e-3, abs=1e-6)
        assert turned.variance == pytest.approx(null.variance, rel=1e-3, abs=1e-6)


def test_margins_that_allow_one_matrix_leave_nothing_to_test():
    staircase = np.tri(6, 8, 1, dtype=bool)[np.random.default_rng(5).permutation(6)]
    null = margins_null(staircase, staircase)
    assert (null.mean, null.variance, null.z) == (null.shared, 0.0, None)
    assert (null.log_p_le, null.log_p_ge) == (0.0, 0.0)
    for one in (np.zeros((3, 4), bool), np.ones((3, 4), bool)):
        assert margins_null(one, one).z is None


def test_even_margins_are_the_layer_null_with_fewer_degrees_of_freedom():
    a = np.array([[(i + j) % 6 < 2 for j in range(12)] for i in range(6)])
    null = margins_null(a, a[::-1])
    N, kept = a.size, int(a.sum())
    mean, variance, _ = (float(m) for m in moments(N, kept, kept))
    assert null.mean == pytest.approx(mean)
    fewer = 6 / 5 * 12 / 11 / (N / (N - 1))
    assert null.variance == pytest.approx(variance * fewer)


def test_shapes_have_to_agree():
    a, b = np.ones((2, 3), bool), np.ones((3, 2), bool)
    for call in (lambda: margins_null(a, b), lambda: unit_null(a, b, by="row")):
        with pytest.raises(LayoutMismatchError) as caught:
            call()
        assert caught.value.code == "shape-mismatch"


def shared_propensity(rng, shape, spread, density, n_masks):
    """Independent masks whose weights are drawn with shared row and column odds (logistic)."""
    odds = spread * (rng.standard_normal((shape[0], 1)) + rng.standard_normal((1, shape[1])))
    chance = 1 / (1 + np.exp(-(odds + log(density / (1 - density)))))
    return rng.random((n_masks, *shape)) < chance


def test_what_margins_explain():
    rng = np.random.default_rng(7)
    a, b = shared_propensity(rng, (120, 400), 0.5, 0.2, 2)
    x, N = int((a & b).sum()), a.size
    mean, variance, _ = (float(m) for m in moments(N, a.sum(), b.sum()))
    layer = (x - mean) / variance**0.5
    row, column = (unit_null(a, b, by=by).z for by in ("row", "column"))
    assert layer > 10
    assert 0.2 * layer < row < 0.8 * layer
    assert 0.2 * layer < column < 0.8 * layer
    assert abs(margins_null(a, b).z) < 3


def walk(mask, steps, rng):
    """Random walk over the matrices with the margins of `mask`: trades between two rows."""
    mask = mask.copy()
    for _ in range(steps):
        i, j = rng.choice(mask.shape[0], 2, replace=False)
        differ = np.flatnonzero(mask[i] != mask[j])
        shuffled = rng.permutation(mask[i, differ])
        mask[i, differ], mask[j, differ] = shuffled, ~shuffled
    return mask


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "spread", "density"),
    [((30, 40), 0.0, 0.3), ((30, 40), 0.7, 0.3), ((40, 60), 1.0, 0.5), ((20, 100), 0.8, 0.1)],
)
def test_margins_against_a_random_walk(shape, spread, density):
    rng = np.random.default_rng(8)
    a, b = shared_propensity(rng, shape, spread, density, 2)
    null = margins_null(a, b)
    overlaps = []
    for step in range(1100):
        a, b = walk(a, 2 * shape[0], rng), walk(b, 2 * shape[0], rng)
        if step >= 100:
            overlaps.append((a & b).sum())
    sd = np.std(overlaps)
    assert null.mean == pytest.approx(np.mean(overlaps), abs=0.3 * sd)
    assert null.variance**0.5 == pytest.approx(sd, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.3, 0.6])
def test_calibration_under_shared_heterogeneity(spread):
    rng = np.random.default_rng(9)
    shape, z, p_margins, p_layer = (120, 400), [], [], []
    for _ in range(150):
        a, b = shared_propensity(rng, shape, spread, 0.2, 2)
        null = margins_null(a, b)
        z.append(null.z)
        p_margins.append(2 * exp(min(null.log_p_le, null.log_p_ge)))
        tails = log_tails(null.shared, a.size, a.sum(), b.sum())
        p_layer.append(2 * exp(min(map(float, tails))))
    assert abs(np.mean(z)) < 0.3
    assert 0.8 < np.std(z) < 1.15
    assert np.mean(np.array(p_margins) <= 0.05) <= 0.08
    assert np.mean(np.array(p_layer) <= 0.05) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("by", ["row", "column"])
def test_unit_nulls_reject_at_most_at_their_level(by):
    rng = np.random.default_rng(10)
    axis = 1 if by == "row" else 0
    density = np.expand_dims(rng.beta(0.5, 2, 40), axis)
    p_unit, p_layer = [], []
    for _ in range(600):
        # Fixed counts per unit: the null itself.
        order = rng.random((2, 40, 40)).argsort(axis=axis + 1)
        a, b = order < np.rint(density * 40)
        null = unit_null(a, b, by=by)
        p_unit.append(2 * exp(min(null.log_p_le, null.log_p_ge)))
        tails = log_tails(null.shared, a.size, a.sum(), b.sum())
        p_layer.append(2 * exp(min(map(float, tails))))
    for level in (0.05, 0.01):
        assert np.mean(np.array(p_unit) <= level) <= level + 0.01
    assert np.mean(np.array(p_layer) <= 0.05) > 0.5
