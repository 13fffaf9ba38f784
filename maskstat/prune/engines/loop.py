"""The plain loop: one network at a time, any module, read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskstat.bits import BoolArray
from maskstat.errors import TrainingError
from maskstat.prune.data.parts import Part
from maskstat.prune.engines.engine import EpochCallback, Replica, Settings, Trained, non_finite
from maskstat.prune.network import Network, State

__all__ = ["LoopEngine"]

_EVALUATION_BATCH = 512
_TIMED_STEPS = 3


class LoopEngine:
    """Trains replicas one after the other, in one module.

    Parameters
    ----------
    network
        Where the training happens; what it holds is overwritten.
    """

    name = "loop"
    pack = 1

    def __init__(self, network: Network) -> None:
        self._network = network

    def train(
        self, replicas: Sequence[Replica], *, settings: Settings, on_epoch: EpochCallback
    ) -> list[Trained | TrainingError]:
        """Train replicas, as `Engine.train` says."""
        return [
            self._train(place, replica, settings, on_epoch)
            for place, replica in enumerate(replicas)
        ]

    def _train(
        self, place: int, replica: Replica, settings: Settings, on_epoch: EpochCallback
    ) -> Trained | TrainingError:
        network, parts = self._network, replica.split
        network.load(replica.start)
        step = _Step(network, replica.kept, settings)
        losses = np.full((2, settings.epochs), np.nan)
        snapshot = None
        for epoch in range(settings.first_epoch, settings.epochs):
            total = torch.zeros((), dtype=torch.float64)
            for x, y in self._batches(replica, settings, epoch):
                loss = cross_entropy(network.module(x), y)
                step(loss)
                total += loss.detach() * len(y)
            losses[0, epoch] = float(total) / len(parts.train)
            losses[1, epoch] = _loss(_logits(network.module, parts.validation), parts.validation)
            on_epoch(place, epoch + 1, losses[0, epoch], losses[1, epoch])
            if not math.isfinite(losses[:, epoch].sum()):
                return non_finite(losses[0, epoch], losses[1, epoch], epoch + 1, settings.lr)
            if epoch + 1 == settings.snapshot:
                snapshot = network.state()
        tested = _logits(network.module, parts.test)
        validated = _logits(network.module, parts.validation)
        return Trained(
            state=_without_pruned(network.state(), replica.kept),
            train_loss=losses[0],
            validation_loss=losses[1],
            validation_accuracy=_accuracy(validated, parts.validation),
            test_accuracy=_accuracy(tested, parts.test),
            test_loss=_loss(tested, parts.test),
            logits=tested.numpy(),
            snapshot=snapshot,
        )

    def _batches(
        self, replica: Replica, settings: Settings, epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Gather the batches of an epoch, in training mode."""
        examples, draws = replica.split.train, replica.draws
        augment = draws.generator("augment", epoch)
        order = draws.order(epoch, len(examples))
        self._network.module.train()
        for batch in torch.split(order, settings.batch_size):
            yield examples.inputs(batch, generator=augment), examples.labels.index_select(0, batch)

    def seconds_per_epoch(self, replicas: Sequence[Replica], *, settings: Settings) -> float:
        """Time a few steps and return what an epoch of all replicas will take."""
        replica = replicas[0]
        self._network.load(replica.start)
        step = _Step(self._network, replica.kept, settings)
        began, seconds = time.perf_counter(), []
        for x, y in islice(self._batches(replica, settings, 0), _TIMED_STEPS):
            step(cross_entropy(self._network.module(x), y))
            now = time.perf_counter()
            seconds.append(now - began)
            began = now
        steps = math.ceil(len(replica.split.train) / settings.batch_size)
        return min(seconds) * steps * len(replicas)


class _Step:
    """One step of gradient descent that leaves pruned weights at 0."""

    def __init__(self, network: Network, kept: BoolArray, settings: Settings) -> None:
        self._settings = settings
        self._parameters: list[Tensor] = [p for p in network.module.parameters() if p.requires_grad]
        self._masked, self._factors = network.prunable, network.factors(kept)
        self._velocity = [torch.zeros_like(p) for p in self._parameters]
        with torch.no_grad():
            torch._foreach_mul_(self._masked, self._factors)

    def __call__(self, loss: Tensor) -> None:
        changes = torch.autograd.grad(loss, self._parameters)
        with torch.no_grad():
            if self._settings.weight_decay:
                changes = torch._foreach_add(
                    changes, self._parameters, alpha=self._settings.weight_decay
                )
            if self._settings.momentum:
                torch._foreach_mul_(self._velocity, self._settings.momentum)
                torch._foreach_add_(self._velocity, changes)
                changes = tuple(self._velocity)
            torch._foreach_add_(self._parameters, changes, alpha=-self._settings.lr)
            torch._foreach_mul_(self._masked, self._factors)


def _without_pruned(state: State, kept: BoolArray) -> State:
    """Make every pruned weight +0: multiplying leaves the sign."""
    return State(weights=np.where(kept, state.weights, np.float32(0)), others=state.others)


@torch.no_grad()
def _logits(module: nn.Module, part: Part) -> Tensor:
    """Return a module's logits on examples, float32 (n, classes), as when it is used."""
    module.eval()
    everything = torch.arange(len(part))
    return torch.cat([module(part.inputs(i)) for i in torch.split(everything, _EVALUATION_BATCH)])


def _loss(logits: Tensor, part: Part) -> float:
    return float(cross_entropy(logits, part.labels))


def _accuracy(logits: Tensor, part: Part) -> float:
    return int((logits.argmax(1) == part.labels).sum()) / len(part)
