"""From found masks to runs: packing piece by piece, names, order, levels, what came with them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskstat.archive import rows
from maskstat.bits import pack
from maskstat.convert.assemble import assemble
from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.names import normalise, strip_wrappers
from maskstat.convert.spool import FileRows, MemoryRows
from maskstat.errors import InputError, LayoutMismatchError


def in_blocks(name, kept, cuts):
    """A mask whose pieces end at the given places."""
    flat = kept.reshape(-1)
    edges = [0, *sorted(cut % (flat.size + 1) for cut in cuts), flat.size]

    def blocks():
        for start, stop in pairwise(edges):
            yield flat[start:stop]

    return TensorMask(name=name, shape=kept.shape, blocks=blocks)


def level(kept, **more):
    masks = [TensorMask.from_array(name, array) for name, array in kept.items()]
    return Level(masks=masks, **more)


def random_masks(seed=0, **shapes):
    rng = np.random.default_rng(seed)
    shapes = shapes or {"conv": (3, 2, 3, 3), "fc": (10, 13)}
    return {name: rng.random(shape) < 0.5 for name, shape in shapes.items()}


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=4),
    n_levels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 400), max_size=5),
    in_memory=st.sampled_from([0, 1 << 20]),
    seed=st.integers(0, 999),
)
def test_packed_as_if_at_once(sizes, n_levels, cuts, in_memory, seed):
    rng = np.random.default_rng(seed)
    levels = [
        {f"layer{i}": rng.random(size) < 0.5 for i, size in enumerate(sizes)}
        for _ in range(n_levels)
    ]
    found = Found(
        format="test",
        levels=[Level(masks=[in_blocks(n, k, cuts) for n, k in kept.items()]) for kept in levels],
    )
    run = assemble(found, "run", "place", in_memory=in_memory)
    dense = [all(k.all() for k in levels[0].values())]
    expected = levels[dense[0] :]
    assert run.n_iterations == 1 + len(expected)
    assert isinstance(run.masks._rows, MemoryRows if in_memory else FileRows)
    everything = run.mask(0).words()
    np.testing.assert_array_equal(
        everything, np.concatenate([pack(np.ones(size, bool)) for size in sizes])
    )
    for start in range(0, run.layout.n_words, 3):
        stop = min(start + 2, run.layout.n_words)
        np.testing.assert_array_equal(run.masks.words(0, start, stop), everything[start:stop])
    for iteration, kept in enumerate(expected, 1):
        words = run.mask(iteration).words()
        np.testing.assert_array_equal(words, np.concatenate([pack(k) for k in kept.values()]))
        assert run.kept[iteration].tolist() == [int(k.sum()) for k in kept.values()]
        assert not (words[run.layout.edges[1:] - 1] & rows.padding(run.layout)).any()


@pytest.mark.parametrize("size", [15, 17, 0, 63])
def test_blocks_of_another_size_than_the_shape(size):
    mask = TensorMask(name="a", shape=(4, 4), blocks=lambda: iter([np.ones(size, bool)]))
    with pytest.raises(InputError) as caught:
        assemble(Found(format="test", levels=[Level(masks=[mask])]), "run", "place")
    assert caught.value.code == "wrong-length"


def test_a_dense_first_level_is_iteration_0():
    masks = random_masks()
    dense = {name: np.ones_like(kept) for name, kept in masks.items()}
    found = Found(
        format="test",
        levels=[
            level(dense, series={"Test accuracy": 0.9, "lr": 1.0}),
            level(masks, series={"Test accuracy": 0.8}),
        ],
    )
    run = assemble(found, "run", "place")
    assert run.n_iterations == 2
    assert run.series["test_accuracy"].tolist() == [0.9, 0.8]
    np.testing.assert_array_equal(run.series["lr"], [1.0, np.nan])
    late = assemble(Found(format="test", levels=found.levels[1:]), "run", "place")
    np.testing.assert_array_equal(late.series["test_accuracy"], [np.nan, 0.8])
    assert late.mask(1) == run.mask(1)


def test_input_first_is_transposed_and_said():
    masks = random_masks(conv=(3, 3, 2, 5), fc=(7, 4), gain=(6,))
    weights = {
        name: np.arange(m.size, dtype=np.float32).reshape(m.shape) for name, m in masks.items()
    }
    found = Found(format="test", order="io", levels=[level(masks, weights={"final": weights})])
    run = assemble(found, "run", "place")
    axes = {"conv": (3, 2, 0, 1), "fc": (1, 0), "gain": (0,)}
    for name, kept in masks.items():
        np.testing.assert_array_equal(run.mask(1).layer(name), kept.transpose(axes[name]))
    expected = [weights[name].transpose(axes[name]).reshape(-1) for name in masks]
    np.testing.assert_array_equal(run.weight("final", 1), np.concatenate(expected))
    assert run.provenance["source"]["transposed"] is True
    assert any("transposed" in note for note in run.provenance["source"]["notes"])


def test_weights_and_other_tensors():
    masks = random_masks()
    initial = {name: np.full(m.shape, 1.5, np.float32) for name, m in masks.items()}
    levels = [
        level(
            masks,
            weights={"initial": initial, "final": {"conv": initial["conv"]}},
            others={"initial": {"bias": np.ones(3, np.float32), "only here": np.ones(1)}},
        ),
        level(
            masks,
            weights={"final": initial},
            others={"final": {"bias": np.zeros(3, np.float32)}},
        ),
    ]
    run = assemble(Found(format="test", levels=levels), "run", "place")
    assert run.weights["initial"].iterations == (1,)
    assert run.weights["final"].iterations == (2,)
    np.testing.assert_array_equal(run.weight("final"), np.full(run.layout.size, 1.5))
    values = run.weights["final"].values
    np.testing.assert_array_equal(values[0:1, 3:9], np.full((1, 6), 1.5))
    np.testing.assert_array_equal(values[0, 3:9], np.full(6, 1.5))
    assert [other.name for other in run.layout.others] == ["bias"]
    np.testing.assert_array_equal(run.others["initial"], np.ones(3))
    np.testing.assert_array_equal(run.others["final"], np.zeros(3))
    notes = " ".join(run.provenance["source"]["notes"])
    assert "only here" in notes
    assert "final weights of iteration 1 are left out" in notes


def test_levels_with_other_tensors():
    levels = [level(random_masks()), level(random_masks(conv=(3, 2, 3, 3), fc=(9, 13)))]
    with pytest.raises(LayoutMismatchError) as caught:
        assemble(Found(format="test", levels=levels), "run", "place")
    assert "fc" in caught.value.fact


@pytest.mark.parametrize(
    ("masks", "code"),
    [
        ([], "no-masks"),
        ([("a", (2, 2)), ("a", (2, 2))], "duplicate-name"),
        ([("a", (2, 0))], "empty-layer"),
        ([("", (2,))], "empty-layer"),
    ],
)
def test_what_makes_no_run(masks, code):
    found = [TensorMask.from_array(name, np.ones(shape, bool)) for name, shape in masks]
    with pytest.raises(InputError) as caught:
        assemble(Found(format="test", levels=[Level(masks=found)]), "run", "place")
    assert caught.value.code == code


NAMES = st.lists(
    st.lists(st.sampled_from(["module", "model", "_orig_mod", "fc", "weight"]), min_size=1).map(
        ".".join
    ),
    unique=True,
    max_size=8,
)


@given(NAMES)
def test_names_never_become_one(names):
    renaming = normalise(names)
    assert list(renaming.names) == names
    assert len(set(renaming.names.values())) == len(names)
    if not renaming.collided:
        assert all(new == strip_wrappers(old) for old, new in renaming.names.items())


def test_a_collision_leaves_names_alone_and_is_said():
    masks = random_masks(**{"module.fc": (2, 2), "fc": (2, 2)})
    run = assemble(Found(format="test", levels=[level(masks)]), "run", "place")
    assert run.layout.names == ("module.fc", "fc")
    assert any("would become one" in note for note in run.provenance["source"]["notes"])


def test_values_between_0_and_1_are_refused():
    with pytest.raises(InputError) as caught:
        TensorMask.from_array("a", np.array([0, 0.5, 1]))
    assert caught.value.code == "not-binary"
