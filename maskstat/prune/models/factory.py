"""Anybody's own network: found by ``package.module:factory``, made, and tried on a blank image."""

from __future__ import annotations

import importlib
import inspect
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from maskstat.errors import UsageError, closest, printable
from maskstat.prune.imports import current_folder
from maskstat.prune.models.dropout import own_dropout
from maskstat.prune.models.model import Shape, described

__all__ = ["is_factory", "make"]

_TORCH, _OURS = str(Path(torch.__file__).parent), str(Path(__file__).parent)
_STANDARD, _INSTALLED = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")


def is_factory(name: str) -> bool:
    """Tell whether a model's name is that of a factory.

    Examples
    --------
    >>> is_factory("torchvision.models:resnet18"), is_factory("resnet18")
    (True, False)
    """
    part = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
    return re.fullmatch(f"{part}:{part}", name) is not None


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
        with _their_errors(name, f"calling {name} failed"):
            module = factory(**arguments)
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"it returned {_kind(module)}, not a torch.nn.Module",
                code="not-a-module",
                place=name,
            )
        own_dropout(module.to(device="cpu", dtype=torch.float32))
        _try(name, module, shape, classes)  # in here, since lazy layers draw their weights now
        generator.set_state(torch.get_rng_state())
    return module


def _found(name: str) -> Callable[..., Any]:
    """Import a factory."""
    module_name, _, path = name.partition(":")
    try:
        with _their_errors(name, f"importing {module_name} failed", but=module_name):
            found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"there is no module '{error.name}'",
            code="no-such-module",
            place=name,
            consequence="it is neither installed nor in the current folder",
        ) from None
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            public = [key for key in vars(found) if not key.startswith("_")]
            raise UsageError(
                f"there is no '{attribute}' in {found.__name__}",
                code="no-such-factory",
                place=name,
                consequence=closest(attribute, public),
            )
        found = getattr(found, attribute)
    if isinstance(found, nn.Module) or not callable(found):
        raise UsageError(
            f"it is {_kind(found)}, not something that makes a module when it is called",
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
        with torch.no_grad(), _their_errors(name, "running it on an image failed", but=shape):
            logits = module.eval()(torch.zeros(1, *shape))
    finally:
        module.train(training)
    if not isinstance(logits, Tensor):
        raise UsageError(
            f"it returns {_kind(logits)} for images, not a tensor of logits",
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


@contextmanager
def _their_errors(name: str, fact: str, *, but: str | Shape | None = None) -> Iterator[None]:
    """Turn whatever a stranger's code raises into an error that says which line of theirs it was.

    `but` is the module whose absence is passed on, or the images that may be of a wrong size.
    """
    try:
        yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and isinstance(but, str):
            missing = error.name or ""
            if f"{but}.".startswith(f"{missing}."):
                raise
        reason = (str(error).splitlines() or [""])[0]
        where = _line(error)
        told = f"{type(error).__name__}: {printable(reason)}" + (f", at {where}" if where else "")
        if isinstance(but, tuple) and isinstance(error, RuntimeError | ValueError):
            raise UsageError(
                f"it does not take images of {described(but)} (channels x height x width)",
                code="wrong-input-size",
                place=name,
                consequence=told,
                hint="--input with the size that it takes, as in --input 3x224x224",
            ) from error
        raise UsageError(fact, code="factory-failed", place=name, consequence=told) from error


def _line(error: BaseException) -> str:
    """Say which line of a stranger's code raised an error: the last outside the libraries."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    files = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [f"{file}:{line}" for file, line in files if not _is_library(file)]
    return theirs[-1] if theirs else ""


def _is_library(file: str) -> bool:
    """Tell whether code is Python's, torch's or ours; what is installed may lie within Python's."""
    standard = file.startswith(_STANDARD) and not file.startswith(_INSTALLED)
    return standard or file.startswith((_TORCH, _OURS, "<frozen"))


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}" if value is not None else "None"
