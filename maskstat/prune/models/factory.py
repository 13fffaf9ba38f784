"""Anybody's own network: found by ``package.module:factory``, made, and tried on a blank image."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from maskstat.errors import UsageError
from maskstat.prune.imports import current_folder, imported, kind_of, their_errors, told
from maskstat.prune.models.dropout import own_dropout
from maskstat.prune.models.model import Shape, described

__all__ = ["make"]


def make(name: str, shape: Shape, classes: int, *, generator: torch.Generator) -> nn.Module:
    """Call a factory for a network.

    Parameters
    ----------
    name
        ``package.module:factory``, installed or in the current folder. It is given
        ``num_classes``, ``shape`` and ``input_shape`` as far as its signature takes them.
    shape
        Channels, height and width of the input.
    classes
        How many to tell apart.
    generator
        Its state becomes that of torch's global generator while the factory is called, so that
        what the factory draws depends on it alone; afterwards the global one is as it was.

    Returns
    -------
    torch.nn.Module
        On the CPU, in float32, with torch's dropout layers replaced by ours.

    Raises
    ------
    UsageError
        There is no such factory, it fails, or what it makes does not take such images or does
        not tell such classes apart.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), current_folder():
        factory = _found(name)
        arguments = _arguments(factory, shape, classes)
        torch.set_rng_state(generator.get_state())
        with their_errors(name, f"calling {name} failed"):
            module = factory(**arguments)
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"it returned {kind_of(module)}, not a torch.nn.Module",
                code="not-a-module",
                place=name,
            )
        own_dropout(module.to(device="cpu", dtype=torch.float32))
        _try(name, module, shape, classes)  # in here, since lazy layers draw their weights now
        generator.set_state(torch.get_rng_state())
    return module


def _found(name: str) -> Callable[..., Any]:
    """Import a factory."""
    found = imported(name)
    if isinstance(found, nn.Module) or not callable(found):
        raise UsageError(
            f"it is {kind_of(found)}, not something that makes a module when it is called",
            code="not-callable",
            place=name,
            hint="a function, or a class that is a torch.nn.Module",
        )
    return found  # type: ignore[no-any-return]


def _arguments(factory: Callable[..., Any], shape: Shape, classes: int) -> dict[str, Any]:
    """Choose what a factory takes; one with ``**kwargs`` takes ``num_classes``, as torchvision's.

    One that does not tell its signature gets nothing.
    """
    offered = {"num_classes": classes, "shape": shape, "input_shape": shape}
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if passes_on and getattr(factory, "__init__", None) is not nn.Module.__init__:
        names.add("num_classes")
    return {name: value for name, value in offered.items() if name in names}


def _try(name: str, module: nn.Module, shape: Shape, classes: int) -> None:
    """Run a module on one blank image and look at what it returns."""
    training = module.training
    try:
        with torch.no_grad(), their_errors(name, "running it on an image failed"):
            logits = module.eval()(torch.zeros(1, *shape))
    except UsageError as error:
        if not isinstance(error.__cause__, RuntimeError | ValueError):
            raise
        raise UsageError(
            f"it does not take images of {described(shape)} (channels x height x width)",
            code="wrong-input-size",
            place=name,
            consequence=told(error.__cause__),
            hint="the size that it takes, as in --set data.input=3x224x224",
        ) from error.__cause__
    finally:
        module.train(training)
    if not isinstance(logits, Tensor):
        raise UsageError(
            f"it returns {kind_of(logits)} for images, not a tensor of logits",
            code="wrong-output",
            place=name,
        )
    if logits.shape != (1, classes):
        raise UsageError(
            f"it returns logits of shape {tuple(logits.shape)} for one image, "
            f"but the data has {classes} classes",
            code="wrong-output",
            place=name,
            consequence=f"the shape has to be (1, {classes})",
            hint="a factory that takes num_classes is given their number",
        )
