"""Every model by its name."""

from __future__ import annotations

import torch
from torch import nn

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.imports import is_path
from maskstat.prune.models import factory
from maskstat.prune.models.alexnet import ALEXNET
from maskstat.prune.models.draw import DrawsFrom
from maskstat.prune.models.lenet import LENET, LENET_5X5, LENET_EQUAL
from maskstat.prune.models.model import Model, Shape, described
from maskstat.prune.models.resnet import RESNET18, RESNET18_CIFAR
from maskstat.prune.models.vgg import VGG11

__all__ = ["MODELS", "build", "input_shape"]

MODELS: dict[str, Model] = {
    "lenet": LENET,
    "lenet5x5": LENET_5X5,
    "lenet-equal": LENET_EQUAL,
    "alexnet": ALEXNET,
    "vgg11": VGG11,
    "resnet18": RESNET18,
    "resnet18-cifar": RESNET18_CIFAR,
}


def _named(name: str) -> Model:
    if name not in MODELS:
        raise UsageError(
            f"there is no model '{printable(name)}'",
            code="unknown-model",
            place="model",
            consequence=closest(name, MODELS),
            hint="a model of your own is named package.module:factory",
        )
    return MODELS[name]


def input_shape(name: str, shape: Shape) -> Shape:
    """Return the shape to which images of a given shape are brought for a model.

    Parameters
    ----------
    name
        One of `MODELS`, or ``package.module:factory``, which takes them as they are.
    shape
        Channels, height and width of the images.

    Raises
    ------
    UsageError
        There is no such model.

    Examples
    --------
    >>> input_shape("lenet", (3, 32, 32)), input_shape("alexnet", (1, 28, 28))
    ((1, 28, 28), (3, 224, 224))
    """
    return shape if is_path(name) else _named(name).takes(shape)


def build(name: str, shape: Shape, classes: int, *, generator: torch.Generator) -> nn.Module:
    """Build a model with freshly drawn weights.

    Parameters
    ----------
    name
        One of `MODELS`, or ``package.module:factory``.
    shape
        Channels, height and width of the input.
    classes
        How many to tell apart.
    generator
        All weights are drawn from it, in the order in which torch would draw them; torch's global
        generator is left alone.

    Returns
    -------
    torch.nn.Module
        On the CPU.

    Raises
    ------
    UsageError
        There is no such model, or it does not take such images.

    Examples
    --------
    >>> net = build("lenet", (1, 28, 28), 10, generator=torch.Generator().manual_seed(0))
    >>> sum(values.numel() for values in net.parameters())
    60074
    """
    if is_path(name):
        return factory.make(name, shape, classes, generator=generator)
    model = _named(name)
    if not model.fits(shape):
        raise UsageError(
            f"'{name}' does not take images of {described(shape)} (channels x height x width)",
            code="wrong-input-size",
            place="model",
            consequence=f"it takes {model.expects}",
            hint=f"--set data.input={described(model.takes(shape))}",
        )
    with torch.device("cpu"), DrawsFrom(generator):
        return model.make(shape, classes)
