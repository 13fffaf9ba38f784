"""Sizes: the parameters of a model without its weights, however large it is."""

from __future__ import annotations

import torch

from maskstat.prune.models.model import Shape
from maskstat.prune.models.registry import MODELS

__all__ = ["parameter_shapes"]


def parameter_shapes(name: str, shape: Shape, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's parameters, in network order.

    Parameters
    ----------
    name
        One of `maskstat.prune.models.registry.MODELS`.
    shape
        Channels, height and width of the input.
    classes
        How many to tell apart.

    Examples
    --------
    >>> parameter_shapes("vgg11", (3, 224, 224), 10)["classifier.0.weight"]
    (4096, 25088)
    """
    with torch.device("meta"):  # nothing is drawn and nothing is stored
        module = MODELS[name].make(shape, classes)
    return {name: tuple(values.shape) for name, values in module.named_parameters()}
