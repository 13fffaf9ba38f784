"""Pack: the weights of several replicas of a chain, stacked, and what they do together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from maskstat.layout import Layer, Layout, Parameter
from maskstat.prune.engines.chain import Linear, ReLU
from maskstat.prune.engines.engine import Replica
from maskstat.prune.engines.features import Features
from maskstat.prune.network import State

__all__ = ["Pack"]

_ALIGNED = 16
"""Values in a cache line, 64 bytes."""


class Pack:
    """An even number R of replicas of a chain.

    Parameters
    ----------
    features
        What all replicas do to images.
    head
        What each does to vectors.
    layout
        Where each tensor lies in a state.
    replicas
        Whose starts and masks are taken over.
    device
        Where the tensors live.

    Attributes
    ----------
    parameters : dict of float32 (R, ...)
        Stacked tensors by name.
    masked, factors : list of float32 (R, ...)
        Those of them that may be pruned, and their masks as zeros and ones.

    Notes
    -----
    A replica's bits have to be the same in every company. What decides them is the order in which
    the kernels add, which depends on shapes and, in matrix products, on addresses within a cache
    line, but never on values. So in linear layers, batched matrix products, inputs and outputs are
    padded with zeros to whole cache lines. Padding stays 0 in training: neither values nor
    gradients get there. For convolutions see `Features`.
    """

    def __init__(
        self,
        features: Features,
        head: Sequence[Linear | ReLU],
        layout: Layout,
        replicas: Sequence[Replica],
        *,
        device: str,
    ) -> None:
        self.size = len(replicas)
        self._features, self._head, self._layout, self._device = features, head, layout, device
        linear = [step for step in head if isinstance(step, Linear)]
        self._padded = {name for step in linear for name in (step.weight, step.bias)}
        weights = np.stack([replica.start.weights for replica in replicas])
        others = np.stack([replica.start.others for replica in replicas])
        kept = np.stack([replica.kept for replica in replicas]).astype(np.float32)
        stacked = {place.name: self._stacked(weights, place) for place in layout.layers}
        stacked |= {place.name: self._stacked(others, place) for place in layout.others}
        self.parameters = {name: tensor.requires_grad_() for name, tensor in stacked.items()}
        self.masked = [self.parameters[layer.name] for layer in layout.layers]
        self.factors = [self._stacked(kept, layer) for layer in layout.layers]
        places: list[Layer | Parameter] = [*layout.layers, *layout.others]
        self._outputs = {place.name: place.shape[0] for place in places if place.shape}

    def _stacked(self, rows: NDArray[np.float32], place: Layer | Parameter) -> Tensor:
        """Copy one tensor of all replicas from their flat vectors, (R, n)."""
        start = place.weight_offset if isinstance(place, Layer) else place.offset
        columns = rows[:, start : start + place.size].reshape(self.size, *place.shape)
        room = place.shape
        if place.name in self._padded:
            room = tuple(_aligned(n) for n in room)
        stacked = torch.zeros(self.size, *room, device=self._device)
        stacked[_inner(place)] = torch.from_numpy(columns).to(self._device)
        return stacked

    def states(self) -> list[State]:
        """Return a copy of each replica's values."""
        weights, others = self._rows(self._layout.layers), self._rows(self._layout.others)
        return [State(weights=w, others=o) for w, o in zip(weights, others, strict=True)]

    def _rows(self, places: Sequence[Layer | Parameter]) -> NDArray[np.float32]:
        rows = np.empty((self.size, sum(place.size for place in places)), np.float32)
        end = 0
        for place in places:
            start, end = end, end + place.size
            inner = self.parameters[place.name].detach()[_inner(place)].cpu()
            rows[:, start:end] = inner.reshape(self.size, -1).numpy()
        return rows

    def logits(self, images: Tensor) -> Tensor:
        """Run all replicas.

        Parameters
        ----------
        images : float32 (R, batch, channels, height, width)
            Each replica's own.

        Returns
        -------
        float32 (R, batch, n_classes)
        """
        x = self._features(images, self.parameters)
        n = x.shape[2]
        x = pad(x, (0, _aligned(n) - n))
        for step in self._head:
            if isinstance(step, ReLU):
                x = torch.relu(x)
            else:
                x, n = self._linear(step, x), self._outputs[step.weight]
        return x[..., :n]

    def _linear(self, linear: Linear, x: Tensor) -> Tensor:
        weight = self.parameters[linear.weight].transpose(1, 2)
        if linear.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(self.parameters[linear.bias].unsqueeze(1), x, weight)


def _aligned(n: int) -> int:
    """Round up to whole cache lines."""
    return -(-n // _ALIGNED) * _ALIGNED


def _inner(place: Layer | Parameter) -> tuple[slice, ...]:
    """Return where a tensor lies in its stacked and padded form."""
    return (slice(None), *(slice(n) for n in place.shape))
