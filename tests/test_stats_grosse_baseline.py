from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.stats.consensus_bins import bin_moments
from maskstat.stats.grosse_baseline import (
    figure4_never,
    figure4_shared,
    grosse_never,
    grosse_shared,
)

HALF, FIFTH = [1200] * 5, [480] * 5


def spread(baseline, reading):
    return next(s for s in baseline.spreads if s.reading == reading)


@st.composite
def layers(draw):
    N = draw(st.integers(1, 10**6))
    return N, draw(st.lists(st.integers(0, N), min_size=1, max_size=8))


@given(layers())
def test_the_means_are_exact(case):
    mean = bin_moments(*case).mean
    assert grosse_shared(*case).mean == pytest.approx(mean[-1], rel=1e-12)
    assert grosse_never(*case).mean == pytest.approx(mean[0], rel=1e-12)


@pytest.mark.parametrize(("pruned", "never"), [(0.5, 0.03125), (0.6, 0.07776), (0.8, 0.3277)])
def test_the_papers_own_fractions_come_from_the_cumulative_mean(pruned, never):
    sizes = [round(2400 * (1 - pruned))] * 5
    assert grosse_never(2400, sizes).mean / 2400 == pytest.approx(never, rel=1e-3)


def test_equation_6_as_printed():
    assert grosse_never(2400, HALF).printed_mean == -1875  # sum tau = 4275 > 2400
    assert grosse_never(2400, FIFTH).printed_mean == pytest.approx(333, abs=0.5)


@pytest.mark.parametrize(
    ("sizes", "reading", "bound"),
    [
        (FIFTH, "literal", 898),
        (HALF, "literal", 1439),
        (FIFTH, "three-variance", 74),
        (FIFTH, "three-sigma", 7.5),
    ],
)
def test_bounds_of_the_design(sizes, reading, bound):
    ours = spread(grosse_shared(2400, sizes), reading)
    assert ours.bound == pytest.approx(bound, rel=6e-3)
    assert ours.half_width == pytest.approx((ours.bound - grosse_shared(2400, sizes).mean) / 2)


@pytest.mark.parametrize(("sizes", "half_width", "times"), [(FIFTH, 3.35, 3.8), (HALF, 23, 2.9)])
def test_repaired_spread_is_too_wide(sizes, half_width, times):
    repaired = spread(grosse_shared(2400, sizes), "three-sigma")
    assert repaired.half_width == pytest.approx(half_width, rel=5e-3)
    assert repaired.half_width / bin_moments(2400, sizes).sd[-1] == pytest.approx(times, abs=0.06)


def test_the_printed_spread_is_larger_than_a_mask_and_flagged():
    for sizes in (HALF, FIFTH):
        baseline = grosse_shared(2400, sizes)
        literal = baseline.spreads[0]
        assert literal.reading == "literal"
        assert literal.bound > sizes[0]
        assert not literal.valid
        assert literal.note.startswith("invalid")
        assert "exact" in baseline.note


def test_first_step_is_equation_3_and_the_cited_rule():
    N, n = 2400, 480
    pair = grosse_shared(N, [n, n])
    variance = float(bin_moments(N, [n, n]).cov[-1, -1])
    assert spread(pair, "literal").bound == pytest.approx(96 + 3 * 307, abs=1.0)
    assert spread(pair, "three-variance").bound == pytest.approx(96 + 3 * variance)
    assert spread(pair, "three-sigma").bound == pytest.approx(96 + 3 * math.sqrt(variance))
    never = grosse_never(N, [n, n])
    assert never.printed_mean == pytest.approx(never.mean)  # both readings agree on two masks
    assert spread(never, "three-sigma").bound == pytest.approx(never.mean - 3 * math.sqrt(variance))
    assert spread(never, "literal").bound == pytest.approx(never.mean - 3 * 307, abs=1.0)


@given(layers())
def test_repaired_bounds_are_on_their_side_of_the_mean(case):
    tolerance = 1e-9 * case[0]
    assert spread(grosse_shared(*case), "three-sigma").half_width >= -tolerance
    assert spread(grosse_never(*case), "three-sigma").half_width >= -tolerance


def test_figure_4a():
    assert figure4_shared(75, HALF) == 0.0625
    assert figure4_shared(3, [10, 6, 8]) == 0.5
    assert figure4_shared(0, [0, 5]) is None


@pytest.mark.parametrize(("density", "coverable"), [(0.1, 0.181), (0.05, 0.095), (0.02, 0.039)])
def test_figure_4b(density, coverable):
    sizes = [round(2400 * density)] * 5
    mean = grosse_never(2400, sizes).mean
    never = figure4_never(mean, 2400, sizes)
    assert never.of_layer == pytest.approx((1 - density) ** 5)
    assert never.of_coverable == pytest.approx(coverable, abs=1e-3)


@given(layers())
def test_figure_4b_runs_from_0_to_1(case):
    N, sizes = case
    fewest, most = max(0, N - sum(sizes)), N - max(sizes)
    assert figure4_never(fewest, N, sizes).of_coverable in (0.0, None)
    of_coverable = figure4_never(most, N, sizes).of_coverable
    assert of_coverable is None or 0.0 <= of_coverable < 1.0
    if sum(sizes) >= N:
        assert figure4_never(most, N, sizes).of_layer == of_coverable


def test_empty_masks_cover_nothing():
    never = figure4_never(10, 10, [0, 0])
    assert (never.of_layer, never.of_coverable) == (1.0, None)


@pytest.mark.parametrize(("N", "sizes"), [(5, []), (5, [6]), (0, [0])])
def test_impossible_sizes(N, sizes):
    for call in (grosse_shared, grosse_never):
        with pytest.raises(UsageError):
            call(N, sizes)


def test_figure_4a_needs_masks():
    with pytest.raises(UsageError):
        figure4_shared(1, [])
