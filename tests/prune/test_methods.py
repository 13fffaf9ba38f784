from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune as reference

from maskstat.errors import UsageError
from maskstat.layout import Layout
from maskstat.prune.methods import (
    METHODS,
    Method,
    RandomUnstructured,
    TrainedLayer,
    method_named,
    next_mask,
)
from maskstat.prune.models import LeNet
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams


def view(layout: Layout, flat: np.ndarray) -> list[np.ndarray]:
    """One flat vector as an array a layer."""
    return [
        flat[x.weight_offset : x.weight_offset + x.size].reshape(x.shape) for x in layout.layers
    ]


def flatten(tensors) -> np.ndarray:
    return np.concatenate([tensor.detach().numpy().reshape(-1) for tensor in tensors])


def prune_with_torch(method: str, layers: list[nn.Module]) -> None:
    if method == "global-unstructured":
        reference.global_unstructured(
            [(layer, "weight") for layer in layers],
            pruning_method=reference.L1Unstructured,
            amount=0.2,
        )
    else:
        for layer in layers:
            reference.l1_unstructured(layer, "weight", amount=0.2)


@pytest.mark.parametrize("method", ["global-unstructured", "l1-unstructured"])
def test_masks_are_those_of_torch_for_twenty_iterations(method):
    rng = np.random.default_rng(7)
    layers = [child for child in LeNet(1, 28, 10).children() if hasattr(child, "weight")]
    layout = Layout.from_shapes({str(i): x.weight.shape for i, x in enumerate(layers)})
    kept = np.ones(layout.size, bool)
    for iteration in range(1, 21):
        untied = rng.permutation(layout.size) + 1
        weights = (untied * rng.choice((-1, 1), layout.size)).astype(np.float32)
        for layer, values in zip(layers, view(layout, weights), strict=True):
            with torch.no_grad():
                getattr(layer, "weight_orig", layer.weight).copy_(torch.from_numpy(values))
            for hook in layer._forward_pre_hooks.values():  # sets weight to the masked weight_orig
                hook(layer, None)
        prune_with_torch(method, layers)
        trained = [
            TrainedLayer(name=x.name, final=final, initial=final, kept=mask, uniform=np.zeros)
            for x, final, mask in zip(
                layout.layers, view(layout, weights), view(layout, kept), strict=True
            )
        ]
        kept = next_mask(
            method_named(method),
            trained,
            layout,
            schedule=FractionSchedule(0.2),
            iteration=iteration,
        )
        assert (kept == (flatten(x.weight_mask for x in layers) == 1)).all()


def layer_with(name: str, shape: tuple[int, ...], uniform: Callable) -> TrainedLayer:
    return TrainedLayer(
        name=name,
        final=np.zeros(shape, np.float32),
        initial=np.zeros(shape, np.float32),
        kept=np.ones(shape, bool),
        uniform=uniform,
    )


def test_random_scores_are_the_streams_own():
    def uniform(shape: tuple[int, ...]) -> np.ndarray:
        generator = Streams(seed=3).generator("prune", 1, part="fc")
        return torch.rand(shape, generator=generator, dtype=torch.float64).numpy()

    scores = RandomUnstructured().scores(layer_with("fc", (30, 20), uniform))
    assert scores.shape == (30, 20)
    assert np.unique(scores).size == 600
    assert 0.4 < scores.mean() < 0.6


def test_layers_compete_only_when_pooled():
    layout = Layout.from_shapes({"a": (10,), "b": (10,)})
    trained = [
        TrainedLayer(
            name=name,
            final=np.full(10, value, np.float32),
            initial=np.zeros(10, np.float32),
            kept=np.ones(10, bool),
            uniform=np.zeros,
        )
        for name, value in (("a", 1), ("b", -2))
    ]
    schedule = FractionSchedule(0.2)
    kept = {
        name: next_mask(METHODS[name](), trained, layout, schedule=schedule, iteration=1)
        for name in ("global-unstructured", "l1-unstructured")
    }
    assert np.flatnonzero(~kept["global-unstructured"]).tolist() == [6, 7, 8, 9]
    assert np.flatnonzero(~kept["l1-unstructured"]).tolist() == [8, 9, 18, 19]


def test_a_method_is_one_function():
    class Largest(Method):
        def scores(self, layer: TrainedLayer) -> np.ndarray:
            return -np.abs(layer.final)

    layer = TrainedLayer(
        name="fc",
        final=np.array([1, -5, 2, 3], np.float32),
        initial=np.zeros(4, np.float32),
        kept=np.ones(4, bool),
        uniform=np.zeros,
    )
    layout = Layout.from_shapes({"fc": (4,)})
    kept = next_mask(Largest(), [layer], layout, schedule=FractionSchedule(0.25), iteration=1)
    assert kept.tolist() == [True, False, True, True]


def test_unknown_method_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        method_named("l1-unstructred")
    assert caught.value.code == "unknown-method"
    assert "did you mean 'l1-unstructured'" in caught.value.consequence
