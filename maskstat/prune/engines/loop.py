"""The plain loop: one network at a time, any module, read from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from maskstat.errors import TrainingError
from maskstat.prune.data.parts import Part
from maskstat.prune.engines.descent import Descent
from maskstat.prune.engines.device import Device
from maskstat.prune.engines.engine import (
    Draws,
    EpochCallback,
    Replica,
    Settings,
    Trained,
    non_finite,
    without_pruned,
)
from maskstat.prune.imports import their_errors
from maskstat.prune.models.dropout import seed_dropout
from maskstat.prune.network import Network

__all__ = ["LoopEngine"]

_EVALUATION_BATCH = 512
_TIMED_STEPS = 3
_TIMED_SECONDS = 1.0
"""Steps that take longer are timed once: the estimate is there to come soon."""
_FORWARD_SHARE = 1 / 3
"""Of a training step's time that evaluating as many examples takes."""


class LoopEngine:
    """Trains replicas one after the other, in one module.

    Parameters
    ----------
    network
        Where the training happens; what it holds is overwritten.
    device
        Where its tensors are brought.
    """

    name = "loop"
    pack = 1

    def __init__(self, network: Network, *, device: str = "cpu") -> None:
        self._network, self._device = network, Device(device)
        self._device.bring(network.module)

    def train(
        self, replicas: Sequence[Replica], *, settings: Settings, on_epoch: EpochCallback
    ) -> list[Trained | TrainingError]:
        """Train replicas, as `Engine.train` says."""
        with self._own_randomness():
            return [
                self._train(place, replica, settings, on_epoch)
                for place, replica in enumerate(replicas)
            ]

    def _train(
        self, place: int, replica: Replica, settings: Settings, on_epoch: EpochCallback
    ) -> Trained | TrainingError:
        network, parts, descent = self._network, replica.split, self._begin(replica, settings)
        losses = np.full((2, settings.epochs), np.nan)
        snapshot = None
        for epoch in range(settings.first_epoch, settings.epochs):
            sums = [self._step(descent, x, y) for x, y in self._batches(replica, settings, epoch)]
            total = torch.stack(sums).cpu().to(torch.float64).sum()
            losses[0, epoch] = float(total) / len(parts.train)
            measured = {"training": losses[0, epoch]}
            if len(parts.validation):
                losses[1, epoch] = _loss(self._logits(parts.validation), parts.validation)
                measured["validation"] = losses[1, epoch]
            on_epoch(place, epoch + 1, losses[0, epoch], losses[1, epoch])
            failure = non_finite(measured, epoch + 1, settings.lr)
            if failure is not None:
                return failure
            if epoch + 1 == settings.snapshot:
                snapshot = without_pruned(network.state(), replica.kept)
        validated, tested = self._logits(parts.validation), self._logits(parts.test)
        test_loss = _loss(tested, parts.test)
        if settings.epochs and not len(parts.validation):  # the last step was not looked at yet
            failure = non_finite({"test": test_loss}, settings.epochs, settings.lr)
            if failure is not None:
                return failure
        return Trained(
            state=without_pruned(network.state(), replica.kept),
            train_loss=losses[0],
            validation_loss=losses[1],
            validation_accuracy=_accuracy(validated, parts.validation),
            test_accuracy=_accuracy(tested, parts.test),
            test_loss=test_loss,
            logits=tested.numpy(),
            snapshot=snapshot,
        )

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Let whatever a stranger's module draws leave the global generators as they were."""
        devices = [torch.cuda.current_device()] if self._device.name == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            yield

    def _begin(self, replica: Replica, settings: Settings) -> Descent:
        """Load a replica's start, and give it its randomness."""
        network = self._network
        network.load(replica.start)
        self._seed(replica.draws, settings.first_epoch)
        parameters = [p for p in network.module.parameters() if p.requires_grad]
        factors = [factor.to(self._device.name) for factor in network.factors(replica.kept)]
        return Descent(parameters, network.prunable, factors, settings=settings)

    def _seed(self, draws: Draws, epoch: int) -> None:
        """Seed our dropout, and the global generator for the draws of anybody else's."""
        generator = draws.generator("dropout", epoch)
        everyone = torch.default_generator if self._device.name == "cpu" else torch
        everyone.manual_seed(generator.initial_seed())
        seed_dropout(self._network.module, generator)

    def _batches(
        self, replica: Replica, settings: Settings, epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather the batches of an epoch, in training mode."""
        examples, draws = self._device.part(replica.split.train), replica.draws
        augment = draws.generator("augment", epoch)
        order = draws.order(epoch, len(examples)).to(self._device.name)
        self._seed(draws, epoch)
        self._network.module.train()
        for batch in self._split(order, settings.batch_size):
            yield examples.inputs(batch, generator=augment), examples.labels.index_select(0, batch)

    def _split(self, order: Tensor, size: int) -> Sequence[Tensor]:
        """Cut an order into batches; a single last example joins others where it is normalized."""
        batches: list[Tensor] = list(torch.split(order, size))
        normalized = any(isinstance(m, _BatchNorm) for m in self._network.module.modules())
        if normalized and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def _step(self, descent: Descent, x: Tensor, y: Tensor) -> Tensor:
        """Take a step; return the batch's summed loss before it."""
        with their_errors("model", "training it failed"):
            loss = cross_entropy(self._network.module(x), y)
            descent.step(loss)
        return loss.detach() * len(y)

    @torch.no_grad()
    def _logits(self, part: Part) -> Tensor:
        """Return the logits on examples, float32 (n, classes), as when the network is used."""
        if not len(part):
            return torch.empty(0)
        module, here = self._network.module.eval(), self._device.part(part)
        everything = torch.arange(len(part), device=self._device.name)
        batches = torch.split(everything, _EVALUATION_BATCH)
        return torch.cat([module(here.inputs(index)) for index in batches]).cpu()

    def seconds_per_epoch(self, replicas: Sequence[Replica], *, settings: Settings) -> float:
        """Time a few steps and return what an epoch of all replicas will take."""
        if not replicas:
            return 0.0
        with self._own_randomness():
            descent = self._begin(replicas[0], settings)
            seconds: list[float] = []
            for x, y in islice(self._batches(replicas[0], settings, 0), _TIMED_STEPS):
                seconds.append(self._device.seconds(partial(self._step, descent, x, y)))
                if sum(seconds) > _TIMED_SECONDS:
                    break
        parts = replicas[0].split
        forwards = len(parts.validation) * _FORWARD_SHARE
        steps = math.ceil((len(parts.train) + forwards) / settings.batch_size)
        return min(seconds) * steps * len(replicas)


def _loss(logits: Tensor, part: Part) -> float:
    return float(cross_entropy(logits, part.labels))


def _accuracy(logits: Tensor, part: Part) -> float:
    if not len(part):
        return math.nan
    return int((logits.argmax(1) == part.labels).sum()) / len(part)
