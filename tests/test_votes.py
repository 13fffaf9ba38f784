import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import bits, votes
from maskstat.bits import Words
from maskstat.threads import at_once
from maskstat.tiling import LEAST_MEMORY


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


@given(stacks(), st.integers(1, 5), st.integers(1, 4), st.data())
def test_a_tally_across_tiles_and_threads(layers, tile, n_threads, data):
    n = layers[0].shape[0]
    sizes = np.array([layer.shape[1] for layer in layers])
    least = data.draw(st.integers(0, n))

    def in_few_threads(work, parts):
        assert len(parts) <= n_threads
        return at_once(work, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(votes, "vote_tiling", lambda *_, **__: (tile, n_threads))
        patch.setattr(votes, "at_once", in_few_threads)
        found = votes.tally(sources_of(layers), edges_of(layers), sizes, least=least)
    counts = [layer.sum(axis=0) for layer in layers]
    assert found.histogram.tolist() == [np.bincount(c, minlength=n + 1).tolist() for c in counts]
    ticket = [bits.pack(c >= least) for c in counts] if least else [np.empty(0, np.uint64)]
    assert found.ticket.tolist() == np.concatenate(ticket).tolist()


@pytest.mark.parametrize("options", [{}, {"threads": 3}, {"threads": 2, "limit": LEAST_MEMORY}])
def test_large_masks_are_counted_by_threads_alike(options):
    n_words = (1 << 25) // 32 + 5
    rows = np.random.default_rng(4).integers(0, 1 << 64, (4, n_words), np.uint64)
    edges = np.array([0, 3, n_words])
    found = votes.tally(
        [Words(row) for row in rows], edges, 64 * np.diff(edges), least=4, **options
    )
    every = rows[0] & rows[1] & rows[2] & rows[3]
    assert np.array_equal(found.ticket, every)
    assert found.histogram[:, 4].tolist() == [bits.count(every[:3]), bits.count(every[3:])]
    n_votes = found.histogram @ np.arange(5)
    assert n_votes.tolist() == [bits.count(rows[:, :3].ravel()), bits.count(rows[:, 3:].ravel())]


class InOrder:
    """A mask that is read as files are: by one thread, from its first word to its last."""

    def __init__(self, words):
        self._words = words
        self.n_words = words.size
        self._thread = threading.get_ident()
        self._read = 0

    def words(self, start, stop):
        assert (threading.get_ident(), start) == (self._thread, self._read)
        self._read = stop
        return self._words[start:stop]


def test_large_masks_in_files_are_read_by_one_thread(monkeypatch):
    monkeypatch.setattr(votes, "n_threads", lambda n_bytes, asked: 3)
    rows = np.random.default_rng(3).integers(0, 1 << 64, (3, 500), np.uint64)
    sources = [InOrder(row) for row in rows]
    found = votes.vote_histogram(sources, np.array([0, 500]), np.array([64 * 500]))
    assert found[0, 3] == bits.count(rows[0] & rows[1] & rows[2])


@pytest.mark.parametrize("n", [*range(1, 20), 31, 32, 63, 64, 100])
def test_slices_are_as_few_as_the_count_needs(n):
    slices = votes.bit_slices(np.array([1], np.uint64) for _ in range(n))
    assert len(slices) == n.bit_length()
    assert sum(int(s[0]) << i for i, s in enumerate(slices)) == n


@given(stacks())
def test_adding_up_leaves_the_masks_alone(layers):
    rows = [bits.pack(row) for row in layers[0]]
    before = [row.copy() for row in rows]
    votes.bit_slices(rows)
    assert all(np.array_equal(a, b) for a, b in zip(rows, before, strict=True))


def test_many_masks_that_agree_on_little():
    """Values far apart: most branches of the tree are empty."""
    rng = np.random.default_rng(6)
    layer = np.zeros((300, 500), bool)
    for position, n in enumerate(rng.choice([0, 1, 255, 256, 299, 300], 500)):
        layer[rng.choice(300, n, replace=False), position] = True
    found = votes.vote_histogram(sources_of([layer]), edges_of([layer]), np.array([500]))
    assert found[0].tolist() == np.bincount(layer.sum(axis=0), minlength=301).tolist()
