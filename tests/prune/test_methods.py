from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskstat.errors import UsageError
from maskstat.layout import Layout
from maskstat.prune.methods import METHODS, Method, TrainedLayer, method_named
from maskstat.prune.methods.structured import channel_norms
from maskstat.prune.pruning import Pruning
from maskstat.prune.schedule import FractionSchedule, LevelSchedule
from maskstat.prune.streams import Streams

SHAPES = {"conv": (6, 4, 3, 3), "fc1": (20, 30), "fc2": (5, 20)}


def next_mask(method, shapes, weights, *, fraction=0.2, kept=None, iteration=1, seed=0, dim=0):
    layout = Layout.from_shapes(shapes)
    flat = np.concatenate([np.ravel(w) for w in weights]).astype(np.float32)
    return Pruning(
        method=method_named(method) if isinstance(method, str) else method,
        layout=layout,
        schedule=FractionSchedule(fraction),
        dim=dim,
    ).next_mask(
        final=flat,
        start=np.zeros_like(flat),
        kept=np.ones(layout.size, bool) if kept is None else kept,
        iteration=iteration,
        streams=Streams(seed=seed),
    )


def gaussian(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes.values()]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_is_pruned_never_comes_back(method):
    kept = np.ones(sum(math.prod(shape) for shape in SHAPES.values()), bool)
    for iteration in range(1, 6):
        before = kept
        kept = next_mask(method, SHAPES, gaussian(SHAPES, iteration), kept=before.copy())
        assert not (kept & ~before).any()
        assert kept.sum() < before.sum()


def test_contests_are_within_layers_kinds_or_the_network():
    shapes = {"conv1": (2, 1, 1, 5), "fc1": (2, 5), "conv2": (2, 5, 1), "fc2": (10,)}
    weights = [np.full(10, value) for value in (2, 4, 1, 3)]
    pruned = {
        name: (~next_mask(name, shapes, weights)).reshape(4, 10).sum(axis=1).tolist()
        for name in ("l1-unstructured", "layer-kind", "global-unstructured")
    }
    assert pruned == {
        "l1-unstructured": [2, 2, 2, 2],
        "layer-kind": [0, 0, 4, 4],
        "global-unstructured": [0, 0, 8, 0],
    }


def test_the_highest_of_equal_weights_goes_first_across_layers():
    kept = next_mask("global-unstructured", {"a": (10,), "b": (10,)}, [np.ones(20)])
    assert np.flatnonzero(~kept).tolist() == [16, 17, 18, 19]


@pytest.mark.parametrize("method", sorted(name for name in METHODS if "-structured" in name))
@pytest.mark.parametrize(("dim", "n_channels"), [(0, 6), (1, 4), (3, 5)])
def test_channels_go_as_a_whole(method, dim, n_channels):
    shapes = {"conv": (6, 4, 3, 5)}
    kept = next_mask(method, shapes, gaussian(shapes), fraction=0.5, dim=dim)
    along = np.moveaxis(kept.reshape(6, 4, 3, 5), dim, 0).reshape(n_channels, -1)
    assert (along.all(axis=1) == along.any(axis=1)).all()
    assert along.any(axis=1).sum() == n_channels - round(0.5 * n_channels)


def test_weights_that_are_gone_from_a_kept_channel_stay_so():
    kept = np.ones((10, 3), bool)
    kept[0, 1] = False
    weights = np.ones((10, 3))
    weights[0] = 9
    after = next_mask("l2-structured", {"fc": (10, 3)}, [weights], kept=kept.reshape(-1))
    assert after.reshape(10, 3)[0].tolist() == [True, False, True]


def test_the_highest_of_equal_channels_goes_first():
    kept = next_mask("l2-structured", {"fc": (10, 3)}, [np.ones((10, 3))])
    assert np.flatnonzero(~kept.reshape(10, 3)[:, 0]).tolist() == [8, 9]


def test_levels_count_original_channels():
    layout = Layout.from_shapes({"fc": (20, 3)})
    pruning = Pruning(
        method=method_named("l1-structured"),
        layout=layout,
        schedule=LevelSchedule((0.5, 0.6, 0.95)),
    )
    kept, left = np.ones(60, bool), []
    for iteration in (1, 2, 3):
        weights = np.random.default_rng(iteration).standard_normal(60).astype(np.float32)
        kept = pruning.next_mask(
            final=weights, start=weights, kept=kept, iteration=iteration, streams=Streams(seed=0)
        )
        left.append(int(kept.reshape(20, 3).any(axis=1).sum()))
    assert left == [10, 8, 1]


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(1, 5), min_size=n, max_size=n), st.integers(0, n - 1)
        )
    ),
    st.integers(0, 2**32),
)
def test_norms_are_the_exact_ones(shape_and_dim, seed):
    shape, dim = shape_and_dim
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    for channel in range(shape[dim]):
        sizes = [abs(float(x)) for x in values.take(channel, axis=dim).reshape(-1)]
        l1, l2, linf, lneginf = (
            channel_norms(values, dim, order)[channel] for order in (1, 2, np.inf, -np.inf)
        )
        assert l1 == pytest.approx(math.fsum(sizes), rel=1e-14)
        assert l2 == pytest.approx(math.hypot(*sizes), rel=1e-14)
        assert (linf, lneginf) == (max(sizes), min(sizes))


def test_long_channels_are_summed_in_double_precision():
    values = np.full((2, 1 << 20), 0.1, np.float32)
    exact = (1 << 20) * float(np.float32(0.1))
    assert channel_norms(values, 0, 1).tolist() == pytest.approx([exact] * 2, rel=1e-12)
    assert channel_norms(values, 0, 2)[0] ** 2 == pytest.approx(
        exact * float(np.float32(0.1)), rel=1e-12
    )


@pytest.mark.parametrize("method", ["random-unstructured", "random-structured"])
def test_chance_depends_on_seed_layer_and_iteration_alone(method):
    shapes = {"a": (60, 5), "b": (60, 5)}
    first = next_mask(method, shapes, gaussian(shapes))
    assert (first == next_mask(method, shapes, gaussian(shapes, 1))).all()
    alone = next_mask(method, {"b": (60, 5)}, gaussian({"b": (60, 5)}))
    assert (alone == first[300:]).all()
    assert (first[:300] != first[300:]).any()
    assert (first != next_mask(method, shapes, gaussian(shapes), seed=1)).any()
    assert (first != next_mask(method, shapes, gaussian(shapes), iteration=2)).any()


def test_chance_is_fair():
    """How often each of 200 weights goes in 300 draws of a fifth."""
    pruned = sum(
        ~next_mask("random-unstructured", {"a": (200,)}, [np.ones(200)], seed=seed)
        for seed in range(300)
    )
    assert pruned.sum() == 300 * 40
    spread = ((pruned - 60) ** 2).sum() / (300 * 0.2 * 0.8)  # chi-squared of 199 degrees
    assert 140 < spread < 270


class Largest(Method):
    def scores(self, layer: TrainedLayer) -> np.ndarray:
        return -np.abs(layer.final)


class NarrowestRow(Method):
    scope = "network"
    unit = "channel"

    def scores(self, layer: TrainedLayer) -> np.ndarray:
        return np.ptp(layer.final, axis=1)


def test_a_method_is_one_function():
    kept = next_mask(Largest(), {"fc": (4,)}, [[1, -5, 2, 3]], fraction=0.25)
    assert kept.tolist() == [True, False, True, True]


def test_channels_of_a_whole_network_can_compete():
    weights = [[[0, 9], [0, 1]], [[0, 2, 2], [0, 5, 9]]]
    kept = next_mask(NarrowestRow(), {"a": (2, 2), "b": (2, 3)}, weights, fraction=0.5)
    assert kept.astype(int).tolist() == [1, 1, 0, 0, 0, 0, 0, 1, 1, 1]


def test_a_method_cannot_change_what_it_looks_at():
    class Vandal(Method):
        def scores(self, layer: TrainedLayer) -> np.ndarray:
            layer.final[0] = 0
            return layer.final

    with pytest.raises(UsageError) as caught:
        next_mask(Vandal(), {"fc": (4,)}, [[1, 2, 3, 4]])
    assert "read-only" in caught.value.consequence
