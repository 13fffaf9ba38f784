"""Chain: a network without branches, as the list of its steps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.utils import _pair

from maskstat.prune.network import Network

__all__ = ["Chain", "Conv", "Linear", "MaxPool", "ReLU", "chain_of"]

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution without groups; tensors by their names in the state dict."""

    weight: str
    bias: str | None
    stride: Pair
    padding: Pair
    dilation: Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A linear layer; tensors by their names in the state dict."""

    weight: str
    bias: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The largest value of each window."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool


@dataclass(frozen=True, slots=True)
class ReLU:
    """Negative values become 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The steps of a network, in order, from images to logits.

    Parameters
    ----------
    features
        What is done to images, before they become vectors.
    head
        What is done to vectors.
    """

    features: tuple[Conv | MaxPool | ReLU, ...]
    head: tuple[Linear | ReLU, ...]


_RELUS = (nn.ReLU, functional.relu, torch.relu, "relu")
_POOLS = (nn.MaxPool2d, functional.max_pool2d)


class _UnfitError(Exception):
    """The network is no chain, and why."""


def chain_of(network: Network) -> Chain | str:
    """Describe a network as a chain.

    Parameters
    ----------
    network
        With its graph: see `Network.with_graph`. Layers that are never pruned are as welcome as
        others.

    Returns
    -------
    Chain or str
        A string where it isn't one: the reason, as the second half of a sentence about the
        network.
    """
    try:
        _check_tensors(network)
        return _chain(network)
    except _UnfitError as unfit:
        return str(unfit)


def _check_tensors(network: Network) -> None:
    """Make sure that what the layers hold is all there is."""
    for name, child in network.module.named_modules():
        if child._forward_hooks or child._forward_pre_hooks or child._backward_hooks:
            raise _UnfitError(f"there are hooks on module '{name or 'itself'}'")
    buffers = [name for name, _ in network.module.named_buffers()]
    if buffers:
        raise _UnfitError(f"it keeps statistics or constants beside its weights: '{buffers[0]}'")
    for name, parameter in network.module.named_parameters():
        if parameter.dtype is not torch.float32:
            raise _UnfitError(f"'{name}' is of type {parameter.dtype}")
        if not parameter.requires_grad:
            raise _UnfitError(f"'{name}' is frozen")


def _chain(network: Network) -> Chain:
    """Read the traced graph, from the input to the output."""
    graph = network.layout.graph
    if not graph:
        raise _UnfitError("its graph is not known")
    nodes, children = _traced(network.module), dict(network.module.named_modules())
    features: list[Conv | MaxPool | ReLU] = []
    head: list[Linear | ReLU] = []
    flat = False
    for previous, described in zip([None, *graph], graph, strict=False):
        name, op = described["name"], described["op"]
        _check_place(previous, described)
        if name not in nodes:
            raise _UnfitError(f"'{name}' is not in its graph when it trains")
        if op in ("input", "output"):
            continue
        if op == "flatten":
            flat = True
            continue
        step = _step(nodes[name], children)
        if isinstance(step, ReLU):
            (head if flat else features).append(step)
        elif isinstance(step, Linear) and flat:
            head.append(step)
        elif isinstance(step, Conv | MaxPool) and not flat:
            features.append(step)
        elif step is not None:
            raise _UnfitError(f"'{name}' works on another shape than is usual")
    if not flat:
        raise _UnfitError("what comes out are not vectors")
    _check_use([*features, *head], network.module)
    return Chain(features=tuple(features), head=tuple(head))


def _traced(module: nn.Module) -> dict[str, fx.Node]:
    """Trace a module as it trains and as it is used, which has to be the same."""
    training, graphs = module.training, []
    try:
        for mode in (True, False):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                graphs.append(fx.Tracer().trace(module.train(mode)))
    except Exception as error:  # whatever a stranger's module does when it is traced
        raise _UnfitError("its graph is not known") from error
    finally:
        module.train(training)
    told = [[(n.name, n.op, n.target, str(n.args), str(n.kwargs)) for n in g.nodes] for g in graphs]
    if told[0] != told[1]:
        raise _UnfitError("it does something else when it trains than when it is used")
    return {node.name: node for node in graphs[0].nodes}


def _check_place(previous: Mapping[str, Any] | None, described: Mapping[str, Any]) -> None:
    """Make sure that a node has the one before it, and nothing else, as its input."""
    name, inputs = described["name"], described["inputs"]
    if previous is None:
        if described["op"] != "input":
            raise _UnfitError(f"it begins with '{name}'")
    elif described["op"] == "input":
        raise _UnfitError("it takes more than one input")
    elif inputs != [previous["name"]]:
        raise _UnfitError(f"it has branches, at '{name}'")


def _step(
    node: fx.Node, children: Mapping[str, nn.Module]
) -> Conv | Linear | MaxPool | ReLU | None:
    """Describe a node; None for one that changes nothing."""
    child = children[str(node.target)] if node.op == "call_module" else None
    kind: Any = type(child) if child is not None else node.target
    if kind is nn.Conv2d or kind is nn.Linear:
        return _layer(str(node.target), child)
    if kind in _RELUS:
        return ReLU()
    if kind in _POOLS:
        return _pool(node, child)
    if kind is nn.Identity:
        return None
    raise _UnfitError(f"it has a step that is no part of a chain: '{node.name}' ({_named(kind)})")


def _named(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


def _layer(name: str, child: nn.Module | None) -> Conv | Linear:
    bias = f"{name}.bias" if child is not None and child.bias is not None else None
    if isinstance(child, nn.Linear):
        return Linear(weight=f"{name}.weight", bias=bias)
    assert isinstance(child, nn.Conv2d)
    if child.groups != 1:
        raise _UnfitError(f"convolution '{name}' has groups")
    if child.padding_mode != "zeros" or isinstance(child.padding, str):
        raise _UnfitError(f"convolution '{name}' is padded in an unusual way")
    return Conv(
        weight=f"{name}.weight",
        bias=bias,
        stride=_pair(child.stride),
        padding=_pair(child.padding),
        dilation=_pair(child.dilation),
    )


def _pool(node: fx.Node, child: nn.Module | None) -> MaxPool:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    if child is not None:
        told = {name: getattr(child, name) for name in names}
    else:
        told = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
    if told.get("return_indices"):
        raise _UnfitError(f"'{node.name}' returns where the largest values are")
    kernel = _pair(told["kernel_size"])
    return MaxPool(
        kernel=kernel,
        stride=_pair(told.get("stride") or kernel),
        padding=_pair(told.get("padding", 0)),
        dilation=_pair(told.get("dilation", 1)),
        ceil_mode=bool(told.get("ceil_mode", False)),
    )


def _check_use(steps: Sequence[object], module: nn.Module) -> None:
    """Make sure that every tensor is used, and used once."""
    used = [
        name
        for step in steps
        if isinstance(step, Conv | Linear)
        for name in (step.weight, step.bias)
        if name is not None
    ]
    tensors: dict[str, Tensor] = dict(module.state_dict(keep_vars=True))
    if len(set(used)) < len(used) or len({id(t) for t in tensors.values()}) < len(tensors):
        raise _UnfitError("some of its weights are used more than once")
    unused = [name for name in tensors if name not in used]
    if unused:
        raise _UnfitError(f"'{unused[0]}' is not used")
