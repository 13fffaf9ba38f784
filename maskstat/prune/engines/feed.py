"""Feed: batches for several replicas at once, each with its own order and augmentation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from maskstat.prune.engines.device import Device
from maskstat.prune.engines.engine import Replica

__all__ = ["Feed", "PartName"]

PartName: TypeAlias = Literal["validation", "test"]

_CHUNK = 1 << 20
"""Bytes of images that are gathered at once."""


class Feed:
    """What replicas are trained, validated and tested on, batch by batch.

    Parameters
    ----------
    replicas
        With parts of the same lengths.
    device
        Where batches are gathered.
    batch_size
        Of training.

    Notes
    -----
    Every replica has images of its own in a batch, also where they are the same: kernels that
    share them would add in another order.
    """

    def __init__(self, replicas: Sequence[Replica], device: Device, *, batch_size: int) -> None:
        self._replicas, self._device, self._batch_size = replicas, device, batch_size

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather the batches of an epoch: images (R, batch, ...) and labels (R, batch)."""
        distinct: dict[object, _Shuffled] = {}
        keys = [_sameness(replica, epoch) for replica in self._replicas]
        for key, replica in zip(keys, self._replicas, strict=True):
            if key not in distinct:
                distinct[key] = _Shuffled(replica, epoch, self._device)
        n, size = len(self._replicas[0].split.train), self._batch_size
        at_once = size * self._steps_at_once()
        for start in range(0, n, at_once):
            chunk = {key: feed.gather(start, at_once) for key, feed in distinct.items()}
            images, labels = _joined([chunk[key] for key in keys])
            yield from zip(torch.split(images, size, 1), torch.split(labels, size, 1), strict=True)

    def _steps_at_once(self) -> int:
        """Return for how many steps examples are gathered at once: what the cache has room for."""
        pixels = math.prod(self._replicas[0].split.preprocessing.shape)
        return max(1, _CHUNK // (4 * pixels * self._batch_size * len(self._replicas)))

    def evaluation(self, name: PartName, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather all examples of each replica's part, in order."""
        parts = [getattr(replica.split, name) for replica in self._replicas]
        here = [self._device.part(part) for part in parts]
        everything = torch.arange(len(parts[0]), device=self._device.name)
        for index in torch.split(everything, batch_size):
            gathered = {id(p): (p.inputs(index), p.labels[index]) for p in set(here)}
            yield _joined([gathered[id(part)] for part in here])


class _Shuffled:
    """The training examples of one replica in an epoch's order."""

    def __init__(self, replica: Replica, epoch: int, device: Device) -> None:
        self._part = device.part(replica.split.train)
        self._order = replica.draws.order(epoch, len(self._part)).to(device.name)
        self._augment = replica.draws.generator("augment", epoch)

    def gather(self, start: int, n: int) -> tuple[Tensor, Tensor]:
        """Gather the next n examples."""
        index = self._order[start : start + n]
        images = self._part.inputs(index, generator=self._augment)
        return images, self._part.labels[index]


def _sameness(replica: Replica, epoch: int) -> object:
    """Return what two replicas have in common that see the same batches in an epoch."""
    streams, iteration = replica.draws.streams, replica.draws.iteration
    seeds = [streams.seed_of(name, iteration, epoch=epoch) for name in ("order", "augment")]
    if not replica.split.preprocessing.augment:
        seeds.pop()
    return (id(replica.split.train), *seeds)


def _joined(batches: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack the replicas' batches; one that all share is not copied."""
    if all(images is batches[0][0] for images, _ in batches):
        images, labels = batches[0]
        return images.expand(len(batches), *images.shape), labels.expand(len(batches), -1)
    return torch.stack([b[0] for b in batches]), torch.stack([b[1] for b in batches])
