"""What a recipe asks for is made, or refused before any training."""

from __future__ import annotations

import numpy as np
import pytest

from maskstat.errors import InputError, UsageError
from maskstat.layout import Layout
from maskstat.prune.methods import METHODS, Method
from maskstat.prune.pruning import Pruning, pruning_for
from maskstat.prune.recipe import Recipe
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams

LAYOUT = Layout.from_shapes({"conv.weight": (6, 1, 3, 3), "fc.weight": (10, 24)})


def refused(recipe: Recipe) -> UsageError:
    with pytest.raises(UsageError) as caught:
        pruning_for(recipe, LAYOUT)
    return caught.value


def mask_of(recipe: Recipe, weights: np.ndarray, *, kept=None, iteration=1) -> np.ndarray:
    return pruning_for(recipe, LAYOUT).next_mask(
        final=weights,
        start=np.zeros_like(weights),
        kept=np.ones(LAYOUT.size, bool) if kept is None else kept,
        iteration=iteration,
        streams=recipe.streams,
    )


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("settings", [{"fraction": 0.3}, {"levels": (0.3, 0.9)}])
def test_every_bundled_method_runs(method, settings):
    weights = np.random.default_rng(0).standard_normal(LAYOUT.size).astype(np.float32)
    kept = mask_of(Recipe(method=method, **settings), weights)
    assert 0 < kept.sum() < LAYOUT.size


def test_levels_are_of_the_original():
    recipe = Recipe(method="l1-unstructured", levels=(0.5, 0.9))
    weights = np.arange(1, LAYOUT.size + 1, dtype=np.float32)
    half = mask_of(recipe, weights)
    tenth = mask_of(recipe, weights, kept=half, iteration=2)
    assert [half[:54].sum(), half[54:].sum()] == [27, 120]
    assert [tenth[:54].sum(), tenth[54:].sum()] == [54 - 49, 24]


@pytest.mark.parametrize(
    ("settings", "code", "place"),
    [
        ({"method": "l1-unstructred"}, "unknown-method", "prune.method"),
        ({"criterion": "movment"}, "unknown-criterion", "prune.criterion"),
        (
            {"method": "random-unstructured", "criterion": "movement"},
            "no-effect",
            "prune.criterion",
        ),
        ({"method": "random-structured", "criterion": "movement"}, "no-effect", "prune.criterion"),
        ({"method": "l1-unstructured", "dim": 1}, "no-effect", "prune.dim"),
        ({"method": "l1-structured", "dim": 2}, "no-such-dim", "prune.dim"),
        ({"method": "random-structured", "dim": 4}, "no-such-dim", "prune.dim"),
    ],
)
def test_what_cannot_be_done_is_said_first(settings, code, place):
    error = refused(Recipe(**settings))
    assert (error.code, error.place) == (code, place)


def test_errors_help():
    assert "did you mean 'l1-unstructured'" in refused(Recipe(method="l1-unstructred")).consequence
    error = refused(Recipe(method="l1-structured", dim=2))
    assert "fc.weight (10, 24)" in error.fact
    assert "--exclude fc.weight" in error.hint


def test_a_weight_that_is_no_number_names_its_layer():
    weights = np.ones(LAYOUT.size, np.float32)
    weights[60] = np.nan
    for method, place in (
        ("l1-unstructured", "fc.weight"),
        ("l2-structured", "fc.weight"),
        ("layer-kind", "linear layers"),
        ("global-unstructured", "all layers"),
    ):
        with pytest.raises(InputError) as caught:
            mask_of(Recipe(method=method), weights)
        assert (caught.value.code, caught.value.place) == ("bad-scores", place)


def test_emptied_layers_are_named_and_no_error():
    weights = np.ones(LAYOUT.size, np.float32)
    weights[:54] = 0.5
    recipe = Recipe(method="global-unstructured", levels=(0.5,))
    kept = mask_of(recipe, weights)
    pruning = pruning_for(recipe, LAYOUT)
    assert pruning.emptied(kept) == ("conv.weight",)
    assert pruning.emptied(np.ones(LAYOUT.size, bool)) == ()
    assert mask_of(recipe, weights, kept=kept).sum() == kept.sum()


class Flat(Method):
    def scores(self, layer):
        return np.abs(layer.final).reshape(-1)[1:]


class Words(Method):
    def scores(self, layer):
        return np.full(layer.final.shape, "low")


class Bug(Method):
    def scores(self, layer):
        return [][0]


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (Flat(), "float32 (53,), not floating (6, 1, 3, 3)"),
        (Words(), "not floating"),
        (Bug(), "IndexError: list index out of range"),
    ],
)
def test_a_method_that_fails_is_named(method, told):
    weights = np.ones(LAYOUT.size, np.float32)
    pruning = Pruning(method=method, layout=LAYOUT, schedule=FractionSchedule(0.2))
    with pytest.raises(UsageError) as caught:
        pruning.next_mask(
            final=weights,
            start=weights,
            kept=weights > 0,
            iteration=1,
            streams=Streams(seed=0),
        )
    assert caught.value.code == "bad-method"
    assert type(method).__qualname__ in caught.value.fact
    assert caught.value.place == "conv.weight"
    assert told in caught.value.consequence
