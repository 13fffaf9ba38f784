"""The network's graph: which operation feeds which, traced once and stored with the layout.

Nodes are plain dicts in topological order, so that they can be stored as JSON and read without
torch. Each has ``name``, ``op``, ``inputs`` (names) and, where it has one, ``map``: [height, width]
of its output. Further keys by op:

==========  ========================================================================
input       ``units``: channels
conv        ``layer`` (weight's name), ``units``, ``bias``, ``groups``, ``kernel``,
            ``stride``, ``padding``, ``dilation``
linear      ``layer``, ``units``, ``bias``
flatten     ``area``: how many units each channel becomes
pass        ``bias`` where a constant is added to each channel, as normalization does
==========  ========================================================================

``add``, ``concat`` (of channels), ``pool`` and ``output`` have none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd

from maskstat.prune.models.dropout import Dropout

__all__ = ["Graph", "Tracer", "UntraceableError", "output_layer", "trace"]

Graph = tuple[dict[str, Any], ...]

_POOLS = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(
        functional.max_pool2d,
        functional.avg_pool2d,
        functional.adaptive_avg_pool2d,
        functional.adaptive_max_pool2d,
    ),
)
_ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Hardtanh, Dropout, nn.Dropout, nn.Dropout2d, nn.Identity),
    *(
        functional.relu,
        functional.relu6,
        functional.leaky_relu,
        functional.elu,
        functional.gelu,
        functional.silu,
        functional.hardtanh,
        functional.dropout,
        functional.dropout2d,
    ),
    *(torch.relu, torch.tanh, torch.sigmoid, "relu", "tanh", "sigmoid", "contiguous"),
)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_ADDS = (operator.add, operator.iadd, torch.add, "add", "add_")
_CONCATS = (torch.cat, torch.concat)
_FLATTENS = (nn.Flatten, torch.flatten, "flatten", "view", "reshape")


class UntraceableError(Exception):
    """A module does something that the graph has no word for."""


def trace(module: nn.Module, shape: tuple[int, int, int]) -> Graph:
    """Trace a module.

    Parameters
    ----------
    module
        What is traced; run once on one blank image.
    shape
        Channels, height and width of an image.

    Returns
    -------
    tuple of dict
        Nodes in topological order, see the module's text.

    Raises
    ------
    UntraceableError
        Control flow that depends on the data, or an operation that is not known here.
    """
    training = module.training
    try:
        graph = Tracer().trace(module.eval())
        traced = fx.GraphModule(module, graph)
        recorder = _Recorder(traced)
        with torch.no_grad():
            recorder.run(torch.zeros(1, *shape, device="cpu"))
    except UntraceableError:
        raise
    except Exception as error:  # whatever a stranger's module does when it is traced
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UntraceableError(reason) from error
    finally:
        module.train(training)
    return tuple(recorder.nodes)


def output_layer(graph: Iterable[Mapping[str, Any]]) -> str:
    """Name the layer whose outputs a network returns.

    Parameters
    ----------
    graph
        Nodes as `trace` returns them, or as they were stored: then anything may be wrong with them.

    Returns
    -------
    str
        Its weight's name; empty where the graph does not say.

    Examples
    --------
    >>> fc, out = {"name": "fc", "layer": "fc.weight"}, {"name": "o", "op": "output"}
    >>> output_layer([fc, {**out, "inputs": ["fc"]}])
    'fc.weight'
    """
    nodes = {str(node.get("name")): node for node in graph}
    node = next((node for node in nodes.values() if node.get("op") == "output"), {})
    for _ in nodes:  # not for ever: a stored graph may go round in circles
        if "layer" in node:
            return str(node["layer"])
        inputs = node.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            break
        node = nodes.get(str(inputs[0]), {})
    return ""


class Tracer(fx.Tracer):
    """Looks into everybody's modules but torch's and our dropout."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module is one operation of the graph."""
        return isinstance(m, Dropout) or super().is_leaf_module(m, module_qualified_name)


class _Recorder(fx.Interpreter):
    """Runs a traced module and writes down each operation with the shape it makes."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.nodes: list[dict[str, Any]] = []
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and record it."""
        result = super().run_node(n)
        if not isinstance(result, Tensor):  # a size, on its way to a reshape
            return result
        self._shapes[n.name] = tuple(result.shape)
        node: dict[str, Any] = {"name": n.name, **self._described(n)}
        node["inputs"] = [source.name for source in self._sources(n)]
        if result.ndim == 4:
            node["map"] = list(result.shape[2:])
        self.nodes.append(node)
        return result

    def _sources(self, n: fx.Node) -> list[fx.Node]:
        """Return the tensors that a node works on."""
        return [source for source in n.all_input_nodes if source.name in self._shapes]

    def _described(self, n: fx.Node) -> dict[str, Any]:
        if n.op == "placeholder":
            return {"op": "input", "units": self._shapes[n.name][1]}
        if n.op == "output":
            return {"op": "output"}
        if n.op == "call_module":
            child = self.fetch_attr(str(n.target))
            return self._module(n, child)
        return self._function(n, n.target)

    def _module(self, n: fx.Node, child: nn.Module) -> dict[str, Any]:
        if isinstance(child, (_ConvNd, nn.Linear)):
            layer = {
                "layer": f"{n.target}.weight",
                "units": child.weight.shape[0],
                "bias": child.bias is not None,
            }
            return (
                {"op": "linear", **layer} if isinstance(child, nn.Linear) else _conv(child, layer)
            )
        if isinstance(child, _NORMS):
            return {"op": "pass", "bias": child.bias is not None}
        return self._function(n, type(child))

    def _function(self, n: fx.Node, target: Callable[..., Any] | str) -> dict[str, Any]:
        shapes = [self._shapes[source.name] for source in self._sources(n)]
        if target in _POOLS:
            return {"op": "pool"}
        if target in _ACTIVATIONS:
            return {"op": "pass"}
        if target in _ADDS and len(shapes) > 1 and len(set(shapes)) == 1:
            return {"op": "add"}
        if target in _CONCATS and 1 in (*n.args[1:], n.kwargs.get("dim", n.kwargs.get("axis"))):
            return {"op": "concat"}
        if target in _FLATTENS:
            return self._flatten(n, shapes[0])
        raise UntraceableError(f"'{n.name}' ({target}) is no operation the graph has a word for")

    def _flatten(self, n: fx.Node, before: tuple[int, ...]) -> dict[str, Any]:
        after = self._shapes[n.name]
        units = int(torch.Size(before[1:]).numel())
        if after != (before[0], units):
            raise UntraceableError(f"'{n.name}' turns {before} into {after}")
        return {"op": "flatten", "area": units // before[1]}


def _conv(child: _ConvNd, layer: dict[str, Any]) -> dict[str, Any]:
    if isinstance(child.padding, str) or child.transposed or child.padding_mode != "zeros":
        raise UntraceableError(f"convolution {layer['layer']} is of an unusual kind")
    return {
        "op": "conv",
        **layer,
        "groups": child.groups,
        "kernel": list(child.kernel_size),
        "stride": list(child.stride),
        "padding": list(child.padding),
        "dilation": list(child.dilation),
    }
