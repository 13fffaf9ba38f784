"""Masks agree with torch.nn.utils.prune, level by level, wherever scores are untied."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune as reference

from maskstat.layout import Layout
from maskstat.prune.methods import method_named
from maskstat.prune.pruning import Pruning
from maskstat.prune.schedule import FractionSchedule
from maskstat.prune.streams import Streams

LAYERWISE = [
    *(47870, 38296, 30636, 24510, 19608, 15685, 12548, 10039, 8031, 6425),
    *(5140, 4112, 3288, 2630, 2104, 1683, 1346, 1077, 862, 691),
]
GLOBAL = [
    *(47870, 38296, 30637, 24510, 19608, 15686, 12549, 10039, 8031, 6425),
    *(5140, 4112, 3290, 2632, 2106, 1685, 1348, 1078, 862, 690),
]
STRUCTURED = [
    *(47859, 38360, 30839, 24758, 19780, 15842, 12908, 10374, 8414, 6974),
    *(5534, 4614, 3694, 3174, 2654, 2134, 1734, 1334, 1334, 1334),
]
ORDERS = {"l1": 1, "l2": 2, "linf": inf, "lneginf": -inf}


def lenet() -> list[nn.Module]:
    """The prunable layers of LeNet for 28x28 images: 59,838 weights."""
    return [
        nn.Conv2d(1, 6, 3),
        nn.Conv2d(6, 16, 3),
        nn.Linear(400, 120),
        nn.Linear(120, 84),
        nn.Linear(84, 10),
    ]


def flatten(tensors) -> np.ndarray:
    return np.concatenate([tensor.detach().numpy().reshape(-1) for tensor in tensors])


def set_weights(layers: list[nn.Module], layout: Layout, weights: np.ndarray) -> None:
    """As training would: torch prunes by the masked weights that the last forward pass saw."""
    for layer, place in zip(layers, layout.layers, strict=True):
        values = weights[place.weight_offset : place.weight_offset + place.size]
        with torch.no_grad():
            getattr(layer, "weight_orig", layer.weight).copy_(
                torch.from_numpy(values.reshape(place.shape))
            )
        for hook in layer._forward_pre_hooks.values():
            hook(layer, None)


def pool(layers: list[nn.Module]) -> None:
    reference.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=reference.L1Unstructured,
        amount=0.2,
    )


def prune_with_torch(method: str, layers: list[nn.Module], dim: int) -> None:
    if method == "global-unstructured":
        pool(layers)
    elif method == "layer-kind":
        pool([layer for layer in layers if isinstance(layer, nn.Conv2d)])
        pool([layer for layer in layers if isinstance(layer, nn.Linear)])
    for layer in layers:
        if method == "l1-unstructured":
            reference.l1_unstructured(layer, "weight", amount=0.2)
        elif method == "random-unstructured":
            reference.random_unstructured(layer, "weight", amount=0.2)
        elif method == "random-structured":
            reference.random_structured(layer, "weight", amount=0.2, dim=dim)
        elif method.endswith("-structured"):
            order = ORDERS[method.partition("-")[0]]
            reference.ln_structured(layer, "weight", amount=0.2, n=order, dim=dim)


def twenty_iterations(method: str, dim: int = 0):
    """Yield our mask and torch's after each of 20 prunings of fresh weights."""
    torch.manual_seed(3)
    rng = np.random.default_rng(7)
    layers = lenet()
    layout = Layout.from_shapes({str(i): x.weight.shape for i, x in enumerate(layers)})
    pruning = Pruning(
        method=method_named(method), layout=layout, schedule=FractionSchedule(0.2), dim=dim
    )
    kept = np.ones(layout.size, bool)
    for iteration in range(1, 21):
        untied = rng.permutation(layout.size) + 1
        weights = (untied * rng.choice((-1, 1), layout.size)).astype(np.float32)
        set_weights(layers, layout, weights)
        prune_with_torch(method, layers, dim)
        kept = pruning.next_mask(
            final=weights,
            start=np.zeros_like(weights),
            kept=kept,
            iteration=iteration,
            streams=Streams(seed=0),
        )
        yield kept, flatten(x.weight_mask for x in layers) == 1


@pytest.mark.parametrize(
    ("method", "counts"),
    [
        ("global-unstructured", GLOBAL),
        ("l1-unstructured", LAYERWISE),
        ("l1-structured", STRUCTURED),
        ("l2-structured", STRUCTURED),
        ("linf-structured", STRUCTURED),
        ("lneginf-structured", STRUCTURED),
    ],
)
def test_masks_and_published_counts_are_those_of_torch(method, counts):
    kept = []
    for ours, theirs in twenty_iterations(method):
        assert (ours == theirs).all()
        kept.append(int(ours.sum()))
    assert kept == counts


@pytest.mark.parametrize(
    ("method", "counts"), [("random-unstructured", LAYERWISE), ("random-structured", STRUCTURED)]
)
def test_counts_of_random_pruning_are_those_of_torch(method, counts):
    masks = list(twenty_iterations(method))
    assert [int(ours.sum()) for ours, _ in masks] == counts
    assert [int(theirs.sum()) for _, theirs in masks] == counts


def test_kinds_are_pooled_as_torch_pools_them():
    for ours, theirs in twenty_iterations("layer-kind"):
        assert (ours == theirs).all()


@pytest.mark.parametrize("method", ["l1-structured", "l2-structured", "linf-structured"])
def test_input_channels_are_those_of_torch(method):
    for ours, theirs in twenty_iterations(method, dim=1):
        assert (ours == theirs).all()


@pytest.mark.parametrize("method", sorted(ORDERS))
def test_a_pruned_weight_counts_as_zero_in_its_channel_as_in_torch(method):
    rng = np.random.default_rng(5)
    layout = Layout.from_shapes({"0": (10, 8)})
    layer = nn.Linear(8, 10)
    kept = np.ones((10, 8), bool)
    kept[3:6, 1:] = kept[7] = False
    if method == "lneginf":
        kept[3:5] = True  # else several would tie at 0
    reference.custom_from_mask(layer, "weight", torch.from_numpy(kept).float())
    weights = rng.standard_normal(80).astype(np.float32)
    set_weights([layer], layout, weights)
    reference.ln_structured(layer, "weight", amount=0.4, n=ORDERS[method], dim=0)
    pruning = Pruning(
        method=method_named(f"{method}-structured"), layout=layout, schedule=FractionSchedule(0.4)
    )
    ours = pruning.next_mask(
        final=weights,
        start=weights,
        kept=kept.reshape(-1),
        iteration=1,
        streams=Streams(seed=0),
    )
    assert (ours == flatten([layer.weight_mask])).all()
    assert ours.reshape(10, 8).any(axis=1).sum() == 9 - 4
