import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import bits, votes
from maskstat.bits import Words


@st.composite
def stacks(draw):
    """N masks over some layers: a list of boolean arrays (N, size)."""
    sizes = draw(st.lists(st.integers(1, 150), min_size=1, max_size=4))
    n = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]))
    return [rng.random((n, size)) < density for size in sizes]


def sources_of(layers):
    n = layers[0].shape[0]
    return [Words(np.concatenate([bits.pack(layer[i]) for layer in layers])) for i in range(n)]


def edges_of(layers):
    return np.cumsum([0, *(bits.word_count(layer.shape[1]) for layer in layers)])


@given(stacks())
def test_histogram_equals_a_sum_over_booleans(layers):
    n = layers[0].shape[0]
    sizes = np.array([layer.shape[1] for layer in layers])
    found = votes.vote_histogram(sources_of(layers), edges_of(layers), sizes)
    expected = [np.bincount(layer.sum(axis=0), minlength=n + 1) for layer in layers]
    assert found.tolist() == [row.tolist() for row in expected]


@given(stacks(), st.data())
def test_thresholds_equal_a_sum_over_booleans(layers, data):
    layer = layers[0]
    n = layer.shape[0]
    least = data.draw(st.integers(1, n))
    rows = [bits.pack(row) for row in layer]
    kept = votes.at_least(votes.bit_slices(rows), least)
    assert bits.unpack(kept, layer.shape[1]).tolist() == (layer.sum(axis=0) >= least).tolist()
    assert bits.count(kept) == (layer.sum(axis=0) >= least).sum(), "padding must stay 0"


@given(stacks())
def test_votes_equal_a_sum_over_booleans(layers):
    layer = layers[0]
    sources = [Words(bits.pack(row)) for row in layer]
    found = votes.vote_counts(sources, 0, sources[0].n_words)
    assert found[: layer.shape[1]].tolist() == layer.sum(axis=0).tolist()


def test_more_votes_than_masks_is_nobody():
    assert votes.at_least(votes.bit_slices([np.array([7], np.uint64)]), 2).tolist() == [0]


def test_histogram_across_tiles(monkeypatch):
    monkeypatch.setattr(votes, "TILE_WORDS", 2)
    rng = np.random.default_rng(1)
    layers = [rng.random((9, size)) < 0.4 for size in (3000, 500)]
    sizes = np.array([3000, 500])
    found = votes.vote_histogram(sources_of(layers), edges_of(layers), sizes)
    expected = [np.bincount(layer.sum(axis=0), minlength=10) for layer in layers]
    assert found.tolist() == [row.tolist() for row in expected]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 31])
def test_slices_are_as_few_as_the_count_needs(n):
    ones = [np.array([1], np.uint64)] * n
    slices = votes.bit_slices(ones)
    assert len(slices) == n.bit_length()
    assert sum(int(s[0]) << i for i, s in enumerate(slices)) == n
