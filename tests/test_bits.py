import threading
from contextlib import contextmanager
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import Mask, Run, bits, overlap
from maskstat.bits import Words
from maskstat.threads import n_threads
from maskstat.tiling import LEAST_MEMORY, Tiling, pair_tiling


@st.composite
def masks_over_layers(draw, *, most_masks=6):
    """Several boolean masks over the same few layers, as lists of one array a layer."""
    sizes = draw(st.lists(st.integers(1, 200), min_size=1, max_size=5))
    n = draw(st.integers(1, most_masks))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    return [[rng.random(size) < density for size in sizes] for _ in range(n)]


def packed(layers):
    return Words(np.concatenate([bits.pack(layer) for layer in layers]))


def edges_of(layers):
    return np.cumsum([0, *(bits.word_count(layer.size) for layer in layers)])


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_unpack_inverts_pack(values):
    array = np.array(values)
    words = bits.pack(array)
    assert words.dtype == np.uint64
    assert bits.unpack(words, array.size).tolist() == values
    as_integer = sum(1 << i for i, value in enumerate(values) if value)
    assert sum(int(w) << (64 * i) for i, w in enumerate(words)) == as_integer


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_count_is_the_number_of_ones(values):
    assert bits.count(np.array(values, np.uint64)) == sum(v.bit_count() for v in values)


@given(masks_over_layers(), st.integers(1, 4))
def test_layer_counts_do_not_depend_on_the_tiles(masks, tile):
    layers = masks[0]
    source, edges = packed(layers), edges_of(layers)
    assert bits.layer_counts(source, edges).tolist() == [int(layer.sum()) for layer in layers]
    totals = np.zeros(len(layers), np.int64)
    for start, stop in bits.tiles(source.n_words, tile):
        bits.segment_counts(source.words(start, stop), start, edges, totals)
    assert totals.tolist() == [int(layer.sum()) for layer in layers]


@given(masks_over_layers(), st.data())
def test_pair_counts_equal_boolean_arithmetic(masks, data):
    index = st.integers(0, len(masks) - 1)
    pairs = data.draw(st.lists(st.tuples(index, index), max_size=8))
    counts = bits.pair_counts([packed(m) for m in masks], pairs, edges_of(masks[0]))
    assert counts.tolist() == [
        [int((x & y).sum()) for x, y in zip(masks[a], masks[b], strict=True)] for a, b in pairs
    ]


@contextmanager
def under(tiling):
    """Make the kernel work in these tiles, and see that it holds no more than they allow."""
    stack_shared, at_once = bits._stack_shared, bits.at_once

    def of_few_masks(masks, *rest):
        assert len(masks) <= tiling.masks
        return stack_shared(masks, *rest)

    def in_few_threads(work, parts):
        assert len(parts) <= tiling.threads
        return at_once(work, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bits, "pair_tiling", lambda *_, **__: tiling)
        patch.setattr(bits, "_stack_shared", of_few_masks)
        patch.setattr(bits, "at_once", in_few_threads)
        yield


class InOrder:
    """A mask that is read as files are: by one thread, and no part that was skipped."""

    def __init__(self, words):
        self._words = words.words(0, words.n_words)
        self.n_words = words.n_words
        self._thread = threading.get_ident()
        self.furthest = 0

    def words(self, start, stop):
        assert threading.get_ident() == self._thread
        assert start <= self.furthest
        self.furthest = max(self.furthest, stop)
        return self._words[start:stop]


tilings = st.builds(
    Tiling,
    masks=st.integers(2, 9),
    words=st.integers(1, 6),
    partners=st.integers(1, 4),
    threads=st.integers(1, 4),
)


@given(masks_over_layers(most_masks=12), tilings, st.booleans(), st.data())
def test_pair_counts_across_tiles_blocks_and_threads(masks, tiling, in_order, data):
    n = len(masks)
    index = st.integers(0, n - 1)
    everything = st.just([(a, b) for a in range(n) for b in range(n)])
    pairs = data.draw(st.one_of(st.lists(st.tuples(index, index), max_size=12), everything))
    sources = [packed(mask) for mask in masks]
    if in_order:
        sources, tiling = [InOrder(source) for source in sources], tiling._replace(threads=1)
    with under(tiling):
        counts = bits.pair_counts(sources, pairs, edges_of(masks[0]))
    integers = [int.from_bytes(packed(m).words(0, None).tobytes(), "little") for m in masks]
    edges = (64 * edges_of(masks[0])).tolist()
    expected = [
        [
            ((integers[a] & integers[b]) >> lo & (1 << hi - lo) - 1).bit_count()
            for lo, hi in pairwise(edges)
        ]
        for a, b in pairs
    ]
    assert counts.tolist() == expected
    assert counts.dtype == np.int64


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize(
    ("words_of_layers", "long"), [((700,), True), ((300, 500), True), ((3, 2, 4), False)]
)
def test_both_kernels_count_all_pairs_alike(installed, words_of_layers, long, monkeypatch):
    if installed:
        pytest.importorskip("simsimd")
        calls = []
        real = overlap.find_cdist()
        counted = lambda *a, **k: calls.append(1) or real(*a, **k)  # noqa: E731
        monkeypatch.setattr(bits, "find_cdist", lambda: counted)
    else:
        monkeypatch.setattr(bits, "find_cdist", lambda: None)
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 1 << 64, (19, sum(words_of_layers)), np.uint64)
    rows[0], rows[1] = 0, ~np.uint64(0)
    pairs = list(combinations(range(19), 2))
    edges = np.cumsum([0, *words_of_layers])
    with under(Tiling(19, 512, 3, 1)):
        counts = bits.pair_counts([Words(row) for row in rows], pairs, edges)
    expected = [
        [int(np.bitwise_count(rows[a] & rows[b])[lo:hi].sum()) for lo, hi in pairwise(edges)]
        for a, b in pairs
    ]
    assert counts.tolist() == expected
    if installed:
        assert bool(calls) == long


def test_distances_of_a_whole_tile_are_exact():
    """Float64 holds them; so would a tile a thousand times as long."""
    cdist = overlap.find_cdist() or pytest.skip("simsimd is not installed")
    n = pair_tiling(2).words
    stack = np.zeros((3, n), np.uint64)
    stack[1] = ~np.uint64(0)
    stack[2] = stack[1]
    stack[2, -1] = 1
    found = np.asarray(cdist(stack.view(np.uint8), stack.view(np.uint8), "hamming", dtype="bin8"))
    assert found.dtype == np.float64
    assert found[0].tolist() == [0, 64 * n, 64 * n - 63]
    assert found[1, 2] == 63


def test_threads_and_limits_change_nothing_but_the_way():
    rng = np.random.default_rng(2)
    n_words = (1 << 25) // 16 + 77
    rows = rng.integers(0, 1 << 64, (2, n_words), np.uint64)
    edges = np.array([0, 1, 5000, 5000, n_words - 3, n_words])
    both = np.bitwise_count(rows[0] & rows[1])
    expected = [[int(both[lo:hi].sum()) for lo, hi in pairwise(edges)]]
    sources = [Words(row) for row in rows]
    assert n_threads(8 * 2 * n_words, asked=3) == 3
    for options in ({}, {"threads": 1}, {"threads": 3}, {"limit": LEAST_MEMORY, "threads": 2}):
        assert bits.pair_counts(sources, [(0, 1)], edges, **options).tolist() == expected


@pytest.mark.parametrize("pairs", [[(0, 1)], [(0, 1), (0, 2), (1, 2)]])
def test_large_masks_in_files_are_read_by_one_thread(pairs, monkeypatch):
    monkeypatch.setattr(bits, "n_threads", lambda n_bytes, asked: 3)
    rows = np.random.default_rng(3).integers(0, 1 << 64, (3, 500), np.uint64)
    counts = bits.pair_counts([InOrder(Words(row)) for row in rows], pairs, np.array([0, 500]))
    assert counts.tolist() == [[int(np.bitwise_count(rows[a] & rows[b]).sum())] for a, b in pairs]


@pytest.mark.parametrize("edges", [[0], [0, 0, 0]])
def test_masks_without_words_share_nothing(edges):
    empty = Words(np.empty(0, np.uint64))
    counts = bits.pair_counts([empty, empty], [(0, 1), (1, 1)], np.array(edges))
    assert counts.tolist() == [[0] * (len(edges) - 1)] * 2


def test_a_mask_says_whether_threads_may_cut_it():
    run = Run.from_masks("r", [Mask.from_arrays({"a": [1, 0], "b": [1]})])
    assert bits.sliceable(run.mask())
    assert bits.sliceable(run.mask().restrict(["b"]))
    in_file = Mask(run.layout, InOrder(Words(run.mask().words())))
    assert not bits.sliceable(in_file)
    assert not bits.sliceable(in_file.restrict(["b", "a"]))


@pytest.mark.parametrize(("n_words", "tile"), [(0, 3), (1, 3), (3, 3), (10, 3)])
def test_tiles_cover_the_range_once(n_words, tile):
    covered = [i for start, stop in bits.tiles(n_words, tile) for i in range(start, stop)]
    assert covered == list(range(n_words))
