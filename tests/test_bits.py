import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat import bits
from maskstat.bits import Words


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


def test_counts_across_many_tiles(monkeypatch):
    monkeypatch.setattr(bits, "TILE_WORDS", 4)
    rng = np.random.default_rng(0)
    layers = [[rng.random(size) < 0.3 for size in (5000, 70_000, 1)] for _ in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    counts = bits.pair_counts([packed(m) for m in layers], pairs, edges_of(layers[0]))
    assert counts.tolist() == [
        [int((x & y).sum()) for x, y in zip(layers[a], layers[b], strict=True)] for a, b in pairs
    ]


@pytest.mark.parametrize(("n_words", "tile"), [(0, 3), (1, 3), (3, 3), (10, 3)])
def test_tiles_cover_the_range_once(n_words, tile):
    covered = [i for start, stop in bits.tiles(n_words, tile) for i in range(start, stop)]
    assert covered == list(range(n_words))
