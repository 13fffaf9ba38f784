import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskstat.bits import Words, layer_counts
from maskstat.errors import InputError, LayoutMismatchError, NotFoundError
from maskstat.mask import Layout, Mask

layer_arrays = hnp.arrays(np.bool_, hnp.array_shapes(max_dims=4, max_side=7))
mask_arrays = st.dictionaries(
    st.sampled_from(["conv1", "conv2", "fc1", "fc2"]), layer_arrays, min_size=1
)


@given(mask_arrays)
def test_arrays_survive_packing(arrays):
    mask = Mask.from_arrays(arrays)
    for name, array in mask.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
    assert mask.kept.tolist() == [int(array.sum()) for array in arrays.values()]
    everything = np.concatenate([array.ravel() for array in arrays.values()])
    assert mask.density == pytest.approx(everything.mean())
    assert mask.sparsity == pytest.approx((~everything).mean())


@given(mask_arrays, st.randoms(use_true_random=False))
def test_algebra_equals_boolean_algebra(arrays, random):
    other = {n: np.array([random.random() < 0.5 for _ in range(a.size)]) for n, a in arrays.items()}
    other = {n: o.reshape(arrays[n].shape) for n, o in other.items()}
    a, b = Mask.from_arrays(arrays), Mask.from_arrays(other)
    for combined, op in [
        (a & b, np.logical_and),
        (a | b, np.logical_or),
        (a ^ b, np.logical_xor),
        (a - b, lambda x, y: x & ~y),
        (~a, lambda x, _: ~x),
    ]:
        for name, array in combined.to_arrays().items():
            np.testing.assert_array_equal(array, op(arrays[name], other[name]))
        assert combined.n_kept == sum(int(array.sum()) for array in combined.to_arrays().values())
    assert a & b <= a
    assert (a <= b) == all((~arrays[n] | other[n]).all() for n in arrays)
    assert a == Mask.from_arrays(arrays)


@given(mask_arrays, st.data())
def test_restrict_takes_layers_in_the_given_order(arrays, data):
    mask = Mask.from_arrays(arrays)
    names = data.draw(st.permutations(list(arrays)).map(lambda p: p[: len(p) // 2 + 1]))
    part = mask.restrict(names)
    assert part.layout.names == tuple(names)
    for name in names:
        np.testing.assert_array_equal(part.layer(name), arrays[name])
    assert part.kept.tolist() == [int(arrays[name].sum()) for name in names]
    for start in range(part.n_words):
        np.testing.assert_array_equal(part.words(start, start + 1), part.words()[start : start + 1])


@given(mask_arrays, st.integers(1, 300))
def test_layers_that_a_mask_does_not_have_are_dense(arrays, size):
    mask = Mask.from_arrays(arrays)
    shapes = {"first": (size,), **{n: a.shape for n, a in arrays.items()}, "last": (size, 2)}
    wider = mask.over(Layout.from_shapes(shapes))
    for name, array in wider.to_arrays().items():
        np.testing.assert_array_equal(array, arrays.get(name, np.ones(shapes[name], bool)))
    counted = layer_counts(Words(wider.words()), wider.layout.edges)
    assert counted.tolist() == wider.kept.tolist(), "padding is 0"
    for start in range(wider.n_words):
        assert wider.words(start, start + 1) == wider.words()[start]
        assert wider.words(start, start).size == 0
    dense = Mask.dense(wider.layout)
    counted = layer_counts(Words(dense.words()), dense.layout.edges)
    assert counted.tolist() == dense.layout.sizes.tolist()


def test_masks_are_equal_over_one_layout_only():
    mask = Mask.from_arrays({"a": [1, 0]})
    assert mask == Mask.from_arrays({"a": [True, False]}, label="of another name")
    for other in (Mask.from_arrays({"b": [1, 0]}), Mask.from_arrays({"a": [[1, 0]]}), [1, 0]):
        assert mask != other


@pytest.mark.parametrize("n_words", [1, 3])
def test_words_have_the_length_of_their_layout(n_words):
    layout = Layout.from_shapes({"a": (64,), "b": (1,)})
    with pytest.raises(InputError) as caught:
        Mask(layout, Words(np.zeros(n_words, np.uint64)))
    assert caught.value.code == "wrong-length"


def test_layers_start_on_word_boundaries():
    layout = Layout.from_shapes({"a": (65,), "b": (2, 3)}, others={"bias": (3,), "scalar": ()})
    assert layout.edges.tolist() == [0, 2, 3]
    assert [layer.weight_offset for layer in layout.layers] == [0, 65]
    assert (layout.n_words, layout.size, layout.n_others) == (3, 71, 4)


@pytest.mark.parametrize("value", [2, -1, 0.5, np.nan])
def test_only_zeros_and_ones_make_a_mask(value):
    with pytest.raises(InputError) as caught:
        Mask.from_arrays({"fc": [0, 1, value]})
    assert caught.value.code == "not-binary"


@pytest.mark.parametrize(
    "rows",
    [[[1], [1, 0]], [1, [0]], ["1", "0"], [None], None, [1 + 0j, 0j], np.array([1, 0], object)],
)
def test_what_is_no_array_of_numbers_is_no_mask(rows):
    with pytest.raises(InputError) as caught:
        Mask.from_arrays({"fc": rows})
    assert caught.value.code == "not-binary"


def test_negative_zero_and_float_ones_are_a_mask():
    mask = Mask.from_arrays({"fc": np.array([-0.0, 1.0, 0.0])})
    assert mask.layer("fc").tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("shapes", "code"),
    [
        ({}, "no-layers"),
        ({"a": (0, 3)}, "empty-layer"),
        ({"": (1,)}, "empty-layer"),
        ({3: (1,)}, "empty-layer"),
        ({"fc": (1,), "total": (1,)}, "reserved-name"),
    ],
)
def test_a_layout_needs_layers_with_weights(shapes, code):
    with pytest.raises(InputError) as caught:
        Layout.from_shapes(shapes)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("other", "fact"),
    [
        ({"a": [1, 0, 1], "b": [1]}, "layer a is (3,) here and (2,)"),
        ({"a": [1, 0]}, "layer b is only in one"),
        ({"b": [1], "a": [1, 0]}, "another order"),
    ],
)
def test_a_mismatch_names_the_first_difference(other, fact):
    with pytest.raises(LayoutMismatchError, match="cannot be compared") as caught:
        _ = Mask.from_arrays({"a": [1, 0], "b": [1]}, label="x.h5") & Mask.from_arrays(other)
    assert fact in str(caught.value)
    assert "x.h5" in str(caught.value)


def test_an_unknown_layer_is_answered_with_the_nearest():
    mask = Mask.from_arrays({"conv1.weight": [1], "fc1.weight": [1]})
    with pytest.raises(NotFoundError, match=r"did you mean 'fc1\.weight'"):
        mask.layer("fc1.wieght")
    with pytest.raises(NotFoundError):
        mask.layout.select(["conv*", "nothing*"])
    assert mask.layout.select(["*1.weight"]) == [0, 1]


def test_a_layers_own_name_selects_it():
    layout = Layout.from_shapes({"params['fc']": (2,), "p": (1,)})
    assert layout.select(["params['fc']"]) == [0]
    assert layout.select(["p"]) == [1]


def test_repr_says_how_much_is_kept():
    assert "2 of 3 weights kept (66.7 %)" in repr(Mask.from_arrays({"fc": [1, 0, 1]}, label="x"))
