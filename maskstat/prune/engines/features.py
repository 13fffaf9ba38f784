"""Features: the convolutional part of a chain, for several replicas at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from maskstat.prune.engines.chain import Conv, MaxPool, ReLU

__all__ = ["Features"]

_Step: TypeAlias = Conv | MaxPool | ReLU

_PAIR = 2


class Features:
    """Turns the images of an even number R of replicas into vectors.

    Parameters
    ----------
    steps
        What each replica does.

    Notes
    -----
    The convolutions of several replicas are one convolution with a group for each. The order in
    which its kernel adds may depend on the number of groups, and a replica's bits may not. So what
    counts are two replicas at a time. All R are taken at once, which is faster for small images,
    only where a trial with random values comes to the same bits: the order doesn't depend on
    values.

    Images of one channel are copied for every output of the first convolution. Then a group has
    one channel in and one out, for which there are kernels three times as fast.
    """

    def __init__(self, steps: Sequence[_Step]) -> None:
        self._steps = _pooled_first(steps)
        convs = [step for step in steps if isinstance(step, Conv)]
        self._names = [name for conv in convs for name in (conv.weight, conv.bias) if name]
        self._widths: dict[tuple[int, int, bool], int] = {}

    def __call__(self, images: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Run all replicas.

        Parameters
        ----------
        images : float32 (R, batch, channels, height, width)
            Each replica's own.
        parameters : dict of float32 (R * outputs, ...)
            Weights and biases of the convolutions by name.

        Returns
        -------
        float32 (R, batch, n_features)
        """
        if not self._steps:
            return images.flatten(2)
        width = self._width(images, parameters)
        groups = [
            _by_replica(maps[-1], width).flatten(2)
            for maps in self._groups(images, parameters, width)
        ]
        return groups[0] if len(groups) == 1 else torch.cat(groups)

    def _groups(
        self, images: Tensor, parameters: Mapping[str, Tensor], width: int
    ) -> Iterator[list[Tensor]]:
        """Yield the maps after every step, for one group of replicas after the other."""
        if width == len(images):
            yield self._maps(images, parameters)
            return
        n_groups = len(images) // width
        parts = {name: torch.chunk(parameters[name], n_groups) for name in self._names}
        for place, some in enumerate(torch.chunk(images, n_groups)):
            yield self._maps(some, {name: part[place] for name, part in parts.items()})

    def _maps(self, images: Tensor, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the maps after every step, (batch, replicas * channels, ...)."""
        x, maps = self._laid_out(images, parameters), []
        for step in self._steps:
            if isinstance(step, Conv):
                x = _convolved(step, x, parameters)
            elif isinstance(step, MaxPool):
                windows = (step.kernel, step.stride, step.padding, step.dilation)
                x = max_pool2d(x, *windows, ceil_mode=step.ceil_mode)
            else:
                x = torch.relu(x)
            maps.append(x)
        return maps

    def _laid_out(self, images: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Bring all channels of a pixel side by side: torch's channels_last."""
        x, first = images.permute(1, 3, 4, 0, 2), self._steps[0]
        if isinstance(first, Conv) and x.shape[4] == 1:
            outputs = len(parameters[first.weight]) // len(images)
            copies = torch.arange(x.shape[3], device=x.device).repeat_interleave(outputs)
            pixels = x.reshape(-1, x.shape[3]).index_select(1, copies)  # faster than to expand
            x = pixels.view(*x.shape[:3], -1, 1)
        # Not by memory_format: with one channel in all, torch would leave the strides as they are.
        return x.flatten(3).contiguous().permute(0, 3, 1, 2)

    def _width(self, images: Tensor, parameters: Mapping[str, Tensor]) -> int:
        """Return how many replicas a convolution takes at once."""
        n, batch = images.shape[:2]
        if n == _PAIR or not self._names:
            return n
        key = (n, batch, torch.is_grad_enabled())
        if key not in self._widths:
            alike = self._alike(images.shape, parameters, training=torch.is_grad_enabled())
            self._widths[key] = n if alike else _PAIR
        return self._widths[key]

    def _alike(
        self, shape: torch.Size, parameters: Mapping[str, Tensor], *, training: bool
    ) -> bool:
        """Find out whether all replicas at once come to the same bits as two by two."""
        generator = torch.Generator().manual_seed(0)
        device = next(iter(parameters.values())).device
        with torch.inference_mode(False), torch.set_grad_enabled(training):
            images = torch.randn(shape, generator=generator).to(device)
            values = {
                name: torch.randn(parameters[name].shape, generator=generator).to(device)
                for name in self._names
            }
            expected, found = (
                self._trial(images, values, width, training) for width in (_PAIR, len(images))
            )
            return all(map(torch.equal, expected, found))

    def _trial(
        self, images: Tensor, values: Mapping[str, Tensor], width: int, training: bool
    ) -> list[Tensor]:
        """Compute everything there is to compute: (R, ...) each."""
        parameters = {name: values[name].clone().requires_grad_() for name in self._names}
        groups = list(self._groups(images, parameters, width))
        found = [[_by_replica(x.detach(), width) for x in maps] for maps in groups]
        if not training:
            return _together(found)
        lasts = [maps[-1] for maps in groups]
        inner = [[x for x in maps[:-1] if x.requires_grad] for maps in groups]
        inputs = [*parameters.values(), *chain.from_iterable(inner)]
        # A scalar: torch imports sympy (1.6 s) to check gradients that are given for more.
        value = torch.stack([(x * x.detach()).sum() for x in lasts]).sum()
        down = iter(torch.autograd.grad(value, inputs))
        of_parameters = list(islice(down, len(parameters)))
        of_maps = [[_by_replica(next(down), width) for _ in maps] for maps in inner]
        return [*_together(found), *of_parameters, *_together(of_maps)]


def _together(groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Join what each group of replicas has, one thing after the other."""
    return [torch.cat(parts) for parts in zip(*groups, strict=True)]


def _convolved(conv: Conv, x: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    weight = parameters[conv.weight]
    return conv2d(
        x,
        weight,
        parameters[conv.bias] if conv.bias else None,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=x.shape[1] // weight.shape[1],
    )


def _by_replica(maps: Tensor, width: int) -> Tensor:
    """Turn (batch, replicas * channels, ...) into (replicas, batch, channels, ...)."""
    batch, _, height, breadth = maps.shape
    return maps.view(batch, width, -1, height, breadth).transpose(0, 1)


def _pooled_first(steps: Sequence[_Step]) -> list[_Step]:
    """Let pooling come before a ReLU, which then has a quarter of the work.

    The largest of the positive parts is the positive part of the largest, and the gradient takes
    the same way: not a bit changes.
    """
    order = list(steps)
    for place in range(1, len(order)):
        if isinstance(order[place], MaxPool) and isinstance(order[place - 1], ReLU):
            order[place - 1], order[place] = order[place], order[place - 1]
    return order
