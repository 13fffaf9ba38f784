from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.prune.schedule import FractionSchedule, LevelSchedule
from maskstat.prune.select import prune_lowest

GROSSE_BACKES = (0.5, 0.6, 0.8, 0.9, 0.95, 0.98)


def half_to_even(exact: Fraction) -> int:
    low, rest = divmod(exact, 1)
    return int(low + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1)))


@given(st.integers(0, 10**9), st.integers(1, 63))
def test_fractions_round_half_to_even(remaining, sixtyfourths):
    expected = half_to_even(Fraction(sixtyfourths, 64) * remaining)
    schedule = FractionSchedule(sixtyfourths / 64)
    assert schedule.count(iteration=1, size=remaining, remaining=remaining) == expected


@given(st.integers(0, 10**6), st.sets(st.integers(1, 63), min_size=1).map(sorted))
def test_levels_leave_what_is_not_their_share_of_the_original(size, sixtyfourths):
    schedule = LevelSchedule(tuple(x / 64 for x in sixtyfourths))
    expected = [size, *(size - half_to_even(Fraction(x, 64) * size) for x in sixtyfourths)]
    assert schedule.remaining(size, iterations=len(sixtyfourths)) == expected


def test_levels_bring_nothing_back_where_less_is_left_already():
    schedule = LevelSchedule((0.5,))
    assert schedule.count(iteration=1, size=100, remaining=30) == 0


def test_levels_nest():
    rng = np.random.default_rng(2)
    schedule = LevelSchedule(GROSSE_BACKES)
    kept = np.ones(2_400, bool)
    for iteration in range(1, 7):
        count = schedule.count(iteration=iteration, size=2_400, remaining=int(kept.sum()))
        after = prune_lowest(rng.standard_normal(2_400), kept, count)
        assert not (after & ~kept).any()
        kept = after
        assert kept.sum() == 2_400 - round(GROSSE_BACKES[iteration - 1] * 2_400)


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (400, [200, 160, 80, 40, 20, 8]),
        (48_000, [24_000, 19_200, 9_600, 4_800, 2_400, 960]),
        (150, [75, 60, 30, 15, 8, 3]),  # 142.5 pruned at 0.95 rounds to 142
    ],
)
def test_levels_of_grosse_and_backes_leave_the_printed_shares(size, counts):
    assert LevelSchedule(GROSSE_BACKES).remaining(size, iterations=6) == [size, *counts]


def test_one_level_is_one_shot():
    assert LevelSchedule((0.8,)).remaining(1_000, iterations=1) == [1_000, 200]


def test_global_counts_of_lenet_are_the_published_ones():
    counts = FractionSchedule(0.2).remaining(59_838, iterations=20)
    assert counts[:8] == [59_838, 47_870, 38_296, 30_637, 24_510, 19_608, 15_686, 12_549]
    assert counts[-8:] == [3_290, 2_632, 2_106, 1_685, 1_348, 1_078, 862, 690]
