"""Pack: the weights of several replicas of a chain, stacked, and what they do together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    parameters : dict of float32
        By name. Of convolutions: all replicas' outputs one after the other, (R * outputs, ...); of
        linear layers: weights (R, inputs, outputs) and biases (R, 1, outputs).
    masked, factors : list of float32
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
        self._weights = {step.weight for step in linear}
        self._biases = {step.bias for step in linear}
        weights = np.stack([replica.start.weights for replica in replicas])
        others = np.stack([replica.start.others for replica in replicas])
        kept = np.stack([replica.kept for replica in replicas]).astype(np.float32)
        stored = {place.name: self._stored(weights, place) for place in layout.layers}
        stored |= {place.name: self._stored(others, place) for place in layout.others}
        self.parameters = {name: tensor.requires_grad_() for name, tensor in stored.items()}
        self.masked = [self.parameters[layer.name] for layer in layout.layers]
        self.factors = [self._stored(kept, layer) for layer in layout.layers]
        places: list[Layer | Parameter] = [*layout.layers, *layout.others]
        self._outputs = {place.name: place.shape[0] for place in places if place.shape}

    def _stored(self, rows: NDArray[np.float32], place: Layer | Parameter) -> Tensor:
        """Bring one tensor of all replicas, from their flat vectors (R, n), into its form here."""
        start = place.weight_offset if isinstance(place, Layer) else place.offset
        columns = rows[:, start : start + place.size].reshape(self.size, *place.shape)
        values = torch.from_numpy(columns).to(self._device)
        if place.name in self._weights:
            return _padded(values.transpose(1, 2), (1, 2))
        if place.name in self._biases:
            return _padded(values.unsqueeze(1), (2,))
        return _padded(values.flatten(0, 1), ())

    def _restored(self, place: Layer | Parameter) -> Tensor:
        """Return one tensor of all replicas, (R, ...) as in the network."""
        stored = self.parameters[place.name].detach()
        if place.name in self._weights:
            return stored[:, : place.shape[1], : place.shape[0]].transpose(1, 2)
        if place.name in self._biases:
            return stored[:, 0, : place.shape[0]]
        return stored.view(self.size, *place.shape)

    def states(self) -> list[State]:
        """Return a copy of each replica's values."""
        weights, others = self._rows(self._layout.layers), self._rows(self._layout.others)
        return [State(weights=w, others=o) for w, o in zip(weights, others, strict=True)]

    def _rows(self, places: Sequence[Layer | Parameter]) -> NDArray[np.float32]:
        rows = np.empty((self.size, sum(place.size for place in places)), np.float32)
        end = 0
        for place in places:
            start, end = end, end + place.size
            rows[:, start:end] = self._restored(place).reshape(self.size, -1).cpu().numpy()
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
        if n % _ALIGNED:
            x = _padded(x, (2,))
        for step in self._head:
            if isinstance(step, ReLU):
                x = torch.relu(x)
            else:
                x, n = self._linear(step, x), self._outputs[step.weight]
        return x[..., :n]

    def _linear(self, linear: Linear, x: Tensor) -> Tensor:
        weight = self.parameters[linear.weight]
        if linear.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(self.parameters[linear.bias], x, weight)


def _padded(values: Tensor, dims: Sequence[int]) -> Tensor:
    """Copy values, with zeros after them up to whole cache lines in some dimensions."""
    room = list(values.shape)
    for dim in dims:
        room[dim] = -(-room[dim] // _ALIGNED) * _ALIGNED
    padded = values.new_zeros(room)
    padded[tuple(slice(n) for n in values.shape)] = values
    return padded
