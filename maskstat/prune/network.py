"""A module seen as two flat vectors: the weights that may be pruned, and everything else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from maskstat.bits import BoolArray
from maskstat.errors import UsageError
from maskstat.layout import Layer, Layout, Parameter

__all__ = ["Network", "State"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """All values of a network at one moment.

    Parameters
    ----------
    weights : float32 (n_weights,)
        The prunable weights in layout order.
    others : float32 (n_others,)
        Biases, statistics, and layers that are never pruned.
    """

    weights: NDArray[np.float32]
    others: NDArray[np.float32]

    @property
    def digest(self) -> str:
        """SHA-256 of the little-endian values, hexadecimal."""
        sha = hashlib.sha256()
        for values in (self.weights, self.others):
            sha.update(values.astype("<f4", copy=False).tobytes())
        return sha.hexdigest()


class Network:
    """A module and the layout of what may be pruned in it.

    Parameters
    ----------
    module
        Its convolutions' and linear layers' weights may be pruned; it is not copied.
    exclude
        Glob patterns of those that may not.

    Raises
    ------
    NotFoundError
        A pattern fits no layer.
    UsageError
        Nothing is left to prune.
    """

    def __init__(self, module: nn.Module, *, exclude: Sequence[str] = ()) -> None:
        self.module = module
        tensors = module.state_dict(keep_vars=True)
        shapes = _prunable_shapes(module)
        left_out = Layout.from_shapes(shapes).select(exclude) if shapes and exclude else []
        names = [name for index, name in enumerate(shapes) if index not in left_out]
        if not names:
            raise UsageError(
                "the model has no layer that may be pruned",
                code="nothing-to-prune",
                place="prune.exclude" if shapes else "model",
                consequence="only convolutions and linear layers are, unless they are excluded",
            )
        others = {name: tuple(t.shape) for name, t in tensors.items() if name not in names}
        self.layout = Layout.from_shapes({name: shapes[name] for name in names}, others=others)
        self.prunable: list[Tensor] = [tensors[name] for name in names]
        self.unpruned = tuple(name for name in shapes if name not in names)
        self._others: list[Tensor] = [tensors[name] for name in others]

    def with_graph(self, graph: Iterable[Mapping[str, Any]]) -> None:
        """Add the operations between the layers to the layout."""
        self.layout = Layout(self.layout.layers, self.layout.others, tuple(graph))

    def state(self) -> State:
        """Return a copy of all values."""
        return State(weights=_gather(self.prunable), others=_gather(self._others))

    def load(self, state: State) -> None:
        """Set all values."""
        _scatter(state.weights, self.layout.layers, self.prunable)
        _scatter(state.others, self.layout.others, self._others)

    def factors(self, kept: BoolArray) -> list[Tensor]:
        """Turn a mask, bool (n_weights,), into one factor of 0 and 1 for each prunable tensor."""
        flat = kept.astype(np.float32)
        return [torch.from_numpy(_part(flat, layer).copy()) for layer in self.layout.layers]


def _prunable_shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name the weight matrices of convolutions and linear layers, each tensor once.

    A weight that is computed from others, as under weight normalization, is none.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    seen: set[int] = set()
    for name, child in module.named_modules():
        if not isinstance(child, (nn.Linear, _ConvNd)) or "weight" not in child._parameters:
            continue
        if id(child.weight) not in seen:
            seen.add(id(child.weight))
            shapes[f"{name}.weight" if name else "weight"] = tuple(child.weight.shape)
    return shapes


def _part(flat: NDArray[np.float32], place: Layer | Parameter) -> NDArray[np.float32]:
    """View one tensor's values in a flat vector."""
    start = place.weight_offset if isinstance(place, Layer) else place.offset
    return flat[start : start + place.size].reshape(place.shape)


def _gather(tensors: Sequence[Tensor]) -> NDArray[np.float32]:
    flat = [tensor.detach().cpu().to(torch.float32).reshape(-1) for tensor in tensors]
    return torch.cat(flat).numpy() if flat else np.zeros(0, np.float32)


@torch.no_grad()
def _scatter(
    flat: NDArray[np.float32], places: Sequence[Layer | Parameter], tensors: Sequence[Tensor]
) -> None:
    for place, tensor in zip(places, tensors, strict=True):
        tensor.copy_(torch.from_numpy(_part(flat, place).copy()))
