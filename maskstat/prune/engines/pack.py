"""Pack: the weights of several replicas of a chain, stacked, and what they do together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from maskstat.layout import Layer, Layout, Parameter
from maskstat.prune.engines.chain import Chain, Conv, Flatten, Linear, MaxPool, ReLU, Step
from maskstat.prune.engines.engine import Replica
from maskstat.prune.network import State

__all__ = ["Pack"]


class Pack:
    """R replicas of a chain, R of at least 2.

    Parameters
    ----------
    chain
        What each of them does.
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
    A convolution of all replicas is one with R groups, a linear layer a batched product. In either
    a replica's sums are its own, taken in an order that depends on neither R nor its place: so
    its bits are the same in every company. That is not so with R = 1, for which torch has other
    kernels.
    """

    def __init__(
        self, chain: Chain, layout: Layout, replicas: Sequence[Replica], *, device: str
    ) -> None:
        self._steps, self._layout = _pooled_first(chain.steps), layout
        self.size = len(replicas)
        weights = np.stack([replica.start.weights for replica in replicas])
        others = np.stack([replica.start.others for replica in replicas])
        kept = np.stack([replica.kept for replica in replicas]).astype(np.float32)
        stacked = {place.name: _columns(weights, place) for place in layout.layers}
        stacked |= {place.name: _columns(others, place) for place in layout.others}
        self.parameters = {
            name: tensor.to(device).requires_grad_() for name, tensor in stacked.items()
        }
        self.masked = [self.parameters[layer.name] for layer in layout.layers]
        self.factors = [_columns(kept, layer).to(device) for layer in layout.layers]

    def logits(self, images: Tensor) -> Tensor:
        """Run all replicas.

        Parameters
        ----------
        images : float32 (batch, height, width, R, channels)
            Each replica's own.

        Returns
        -------
        float32 (R, batch, n_classes)
        """
        x = images.flatten(3).permute(0, 3, 1, 2)  # without copying: channels_last
        for step in self._steps:
            x = self._taken(step, x)
        return x

    def _taken(self, step: Step, x: Tensor) -> Tensor:
        match step:
            case Conv():
                return self._conv(step, x)
            case Linear():
                return self._linear(step, x)
            case ReLU():
                return torch.relu(x)
            case MaxPool():
                windows = (step.kernel, step.stride, step.padding, step.dilation)
                return max_pool2d(x, *windows, ceil_mode=step.ceil_mode)
            case Flatten():
                return x.reshape(len(x), self.size, -1).transpose(0, 1)

    def _conv(self, conv: Conv, x: Tensor) -> Tensor:
        weight = self.parameters[conv.weight]
        groups = self.size
        if weight.shape[2] == 1:
            # One channel a replica: with a copy of it for every output, groups have one channel
            # in and one out, for which there are kernels three times as fast.
            groups *= weight.shape[1]
            x = x.permute(0, 2, 3, 1).unsqueeze(-1).expand(-1, -1, -1, -1, weight.shape[1])
            x = x.flatten(3).permute(0, 3, 1, 2)
        return conv2d(
            x,
            weight.flatten(0, 1),
            None if conv.bias is None else self.parameters[conv.bias].flatten(),
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
            groups=groups,
        )

    def _linear(self, linear: Linear, x: Tensor) -> Tensor:
        weight = self.parameters[linear.weight].transpose(1, 2)
        if linear.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(self.parameters[linear.bias].unsqueeze(1), x, weight)

    def states(self) -> list[State]:
        """Return a copy of each replica's values."""
        weights = self._rows(self._layout.layers)
        others = self._rows(self._layout.others)
        return [State(weights=weights[r], others=others[r]) for r in range(self.size)]

    def _rows(
        self, places: Sequence[Layer | Parameter]
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        tensors = [self.parameters[p.name].detach().cpu().reshape(self.size, -1) for p in places]
        return torch.cat(tensors, 1).numpy() if tensors else np.zeros((self.size, 0), np.float32)


def _columns(rows: np.ndarray, place: Layer | Parameter) -> Tensor:
    """Copy one tensor of all replicas from their flat vectors, (R, n)."""
    start = place.weight_offset if isinstance(place, Layer) else place.offset
    columns = rows[:, start : start + place.size]
    return torch.from_numpy(columns.reshape(len(rows), *place.shape).copy())


def _pooled_first(steps: Sequence[Step]) -> list[Step]:
    """Let pooling come before a ReLU, which then has a quarter of the work.

    The largest of the positive parts is the positive part of the largest, and the gradient takes
    the same way: not a bit changes.
    """
    order = list(steps)
    for place in range(len(order) - 1, 0, -1):
        if isinstance(order[place], MaxPool) and isinstance(order[place - 1], ReLU):
            order[place - 1 : place + 1] = order[place], order[place - 1]
    return order
