"""Feed: batches for several replicas at once, each with its own order and augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from maskstat.prune.engines.device import Device
from maskstat.prune.engines.engine import Replica

__all__ = ["Feed", "PartName"]

PartName: TypeAlias = Literal["validation", "test"]


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
    Every replica's images are copied into a batch of the shape (batch, height, width, R,
    channels), also where they are the same: a kernel that shared them would add in another order.
    """

    def __init__(self, replicas: Sequence[Replica], device: Device, *, batch_size: int) -> None:
        self._replicas, self._device, self._batch_size = replicas, device, batch_size

    def training(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather the batches of an epoch: images, and labels (R, batch)."""
        feeds: dict[object, _Shuffled] = {}
        places = []
        for replica in self._replicas:
            key = _sameness(replica, epoch)
            if key not in feeds:
                feeds[key] = _Shuffled(replica, epoch, self._device)
            places.append(feeds[key])
        distinct = list(feeds.values())
        rows = [distinct.index(feed) for feed in places]
        n = len(self._replicas[0].split.train)
        for start in range(0, n, self._batch_size):
            batches = [feed.batch(slice(start, start + self._batch_size)) for feed in distinct]
            yield _joined(batches, rows)

    def evaluation(self, name: PartName, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather all examples of each replica's part, in order."""
        parts = [getattr(replica.split, name) for replica in self._replicas]
        distinct = list({id(part): part for part in parts}.values())
        rows = [next(i for i, p in enumerate(distinct) if p is part) for part in parts]
        here = [self._device.part(part) for part in distinct]
        for index in torch.split(torch.arange(len(parts[0]), device=self._device.name), batch_size):
            batches = [(p.inputs(index), p.labels.index_select(0, index)) for p in here]
            yield _joined(batches, rows)


class _Shuffled:
    """The training examples of one replica in an epoch's order."""

    def __init__(self, replica: Replica, epoch: int, device: Device) -> None:
        self._part = device.part(replica.split.train)
        self._order = replica.draws.order(epoch, len(self._part)).to(device.name)
        self._augment = replica.draws.generator("augment", epoch)

    def batch(self, place: slice) -> tuple[Tensor, Tensor]:
        index = self._order[place]
        images = self._part.inputs(index, generator=self._augment)
        return images, self._part.labels.index_select(0, index)


def _sameness(replica: Replica, epoch: int) -> object:
    """Return what two replicas have in common that see the same batches in an epoch."""
    streams, iteration = replica.draws.streams, replica.draws.iteration
    seeds = [streams.seed_of(name, iteration, epoch=epoch) for name in ("order", "augment")]
    if not replica.split.preprocessing.augment:
        seeds.pop()
    return (id(replica.split.train), *seeds)


def _joined(batches: Sequence[tuple[Tensor, Tensor]], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Lay the replicas' batches beside each other, replica r's being that of rows[r]."""
    images = torch.stack([images for images, _ in batches], 1)  # batch, replica, channels, ...
    labels = torch.stack([labels for _, labels in batches])
    images = images.permute(0, 3, 4, 1, 2)
    if list(rows) != list(range(len(batches))):
        if len(batches) == 1:
            images = images.expand(-1, -1, -1, len(rows), -1)
            labels = labels.expand(len(rows), -1)
        else:
            chosen = torch.tensor(rows, device=labels.device)
            images, labels = images.index_select(3, chosen), labels.index_select(0, chosen)
    return images.contiguous(), labels
