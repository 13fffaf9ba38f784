from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import InputError
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


def test_many_are_ranked_as_sorting_would():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 5_000, 100_000).astype(np.float32)
    kept = rng.random(100_000) < 0.6
    queue = np.flatnonzero(kept)
    queue = queue[np.lexsort((-queue, scores[queue]))]
    expected = kept.copy()
    expected[queue[:12_345]] = False
    assert (prune_lowest(scores, kept, 12_345) == expected).all()


def test_infinite_scores_are_ranked():
    scores = np.array([np.inf, 1.0, -np.inf, np.inf])
    assert prune_lowest(scores, np.ones(4, bool), 3).tolist() == [True, False, False, False]
