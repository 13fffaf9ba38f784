from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.select import prune_lowest


@st.composite
def contests(draw):
    """Scores from a small set, so that ties abound, a mask, and a count that fits."""
    scores = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=60))
    kept = draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    count = draw(st.integers(0, sum(kept)))
    return np.array(scores, np.float32), np.array(kept), count


@given(contests())
def test_rule_is_the_written_one(contest):
    scores, kept, count = contest
    queue = sorted(np.flatnonzero(kept), key=lambda index: (scores[index], -index))
    expected = kept.copy()
    expected[queue[:count]] = False
    assert prune_lowest(scores, kept, count).tolist() == expected.tolist()


@given(contests())
def test_exactly_count_go_and_none_comes_back(contest):
    scores, kept, count = contest
    before = kept.copy()
    after = prune_lowest(scores, kept, count)
    assert after.sum() == kept.sum() - count
    assert not (after & ~kept).any()
    assert (kept == before).all()


def test_scores_of_pruned_weights_do_not_count():
    scores = np.array([np.nan, 2.0, 1.0])
    assert prune_lowest(scores, np.array([False, True, True]), 1).tolist() == [False, True, False]


@pytest.mark.parametrize("count", [-1, 3])
def test_count_has_to_fit(count):
    with pytest.raises(InputError) as caught:
        prune_lowest(np.ones(4), np.array([True, True, False, False]), count)
    assert caught.value.code == "bad-count"


def test_nan_cannot_be_ranked():
    with pytest.raises(InputError) as caught:
        prune_lowest(np.array([1.0, np.nan]), np.ones(2, bool), 1)
    assert caught.value.code == "bad-scores"


@given(st.integers(0, 10**9), st.integers(1, 63))
def test_counts_round_half_to_even(remaining, sixtyfourths):
    exact = Fraction(sixtyfourths, 64) * remaining
    low = exact.numerator // exact.denominator
    rest = exact - low
    expected = low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1))
    schedule = FractionSchedule(sixtyfourths / 64)
    assert schedule.count(iteration=1, size=remaining, remaining=remaining) == expected


def test_global_counts_of_lenet_are_the_published_ones():
    counts = FractionSchedule(0.2).remaining(59_838, iterations=20)
    assert counts[:8] == [59_838, 47_870, 38_296, 30_637, 24_510, 19_608, 15_686, 12_549]
    assert counts[-8:] == [3_290, 2_632, 2_106, 1_685, 1_348, 1_078, 862, 690]


def test_layerwise_counts_of_lenet_are_the_published_ones():
    sizes = [54, 864, 48_000, 10_080, 840]
    layers = [FractionSchedule(0.2).remaining(size, iterations=20) for size in sizes]
    assert [sum(counts) for counts in zip(*layers, strict=True)][1:] == [
        *(47870, 38296, 30636, 24510, 19608, 15685, 12548, 10039, 8031, 6425),
        *(5140, 4112, 3288, 2630, 2104, 1683, 1346, 1077, 862, 691),
    ]
