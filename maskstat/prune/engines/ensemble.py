"""The replica ensemble: several replicas of a chain, trained at once as one wider network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from maskstat.errors import TrainingError
from maskstat.prune.data.parts import Split
from maskstat.prune.engines.chain import Chain
from maskstat.prune.engines.descent import Descent
from maskstat.prune.engines.device import Device
from maskstat.prune.engines.engine import (
    EpochCallback,
    Replica,
    Settings,
    Trained,
    non_finite,
    without_pruned,
)
from maskstat.prune.engines.features import Features
from maskstat.prune.engines.feed import Feed, PartName
from maskstat.prune.engines.pack import Pack
from maskstat.prune.network import Network, State

__all__ = ["EnsembleEngine"]

_EVALUATION_BATCH = 128
_TIMED_STEPS = 3


class EnsembleEngine:
    """Trains the replicas of a chain side by side.

    Parameters
    ----------
    network
        The architecture; what it holds is left alone.
    chain
        The same as steps: see `chain_of`.
    device
        Where the training happens.

    Notes
    -----
    All replicas of a call have parts of the same lengths. Of an odd number the last is trained
    twice: see `Features`.
    """

    name = "ensemble"
    pack = 8

    def __init__(self, network: Network, chain: Chain, *, device: str = "cpu") -> None:
        self._layout, self._device = network.layout, Device(device)
        self._features, self._head = Features(chain.features), chain.head

    def train(
        self, replicas: Sequence[Replica], *, settings: Settings, on_epoch: EpochCallback
    ) -> list[Trained | TrainingError]:
        """Train replicas, as `Engine.train` says."""
        if not replicas:
            return []
        return self._training(replicas, settings).run(on_epoch)

    def seconds_per_epoch(self, replicas: Sequence[Replica], *, settings: Settings) -> float:
        """Time a few steps and return what an epoch of all replicas will take."""
        return self._training(replicas, settings).seconds_per_epoch() if replicas else 0.0

    def _training(self, replicas: Sequence[Replica], settings: Settings) -> _Training:
        lengths = {_lengths(replica.split) for replica in replicas}
        if len(lengths) > 1:
            raise ValueError(f"replicas of one pack have parts of different lengths: {lengths}")
        several = [*replicas, replicas[-1]] if len(replicas) % 2 else list(replicas)
        pack = Pack(self._features, self._head, self._layout, several, device=self._device.name)
        feed = Feed(several, self._device, batch_size=settings.batch_size)
        return _Training(replicas, settings, pack, feed, self._device)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """Each replica's mean loss and accuracy on a part, float64 (R,), and logits."""

    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    logits: NDArray[np.float32]


class _Training:
    """One call of the engine: the replicas asked for, and the pack that trains them."""

    def __init__(
        self,
        replicas: Sequence[Replica],
        settings: Settings,
        pack: Pack,
        feed: Feed,
        device: Device,
    ) -> None:
        self._replicas, self._settings = replicas, settings
        self._pack, self._feed, self._device = pack, feed, device
        self._descent = Descent(
            list(pack.parameters.values()), pack.masked, pack.factors, settings=settings
        )
        self._losses = np.full((len(replicas), 2, settings.epochs), np.nan)
        self._failed: dict[int, TrainingError] = {}

    def run(self, on_epoch: EpochCallback) -> list[Trained | TrainingError]:
        """Train, and measure what came out."""
        settings, snapshots = self._settings, None
        validated = None
        for epoch in range(settings.first_epoch, settings.epochs):
            losses = self._train_epoch(epoch)
            validated = self._measure("validation")
            self._report(epoch, losses, validated.loss, on_epoch)
            if len(self._failed) == len(self._replicas):
                break
            if epoch + 1 == settings.snapshot:
                snapshots = self._pack.states()
        return self._results(validated or self._measure("validation"), snapshots)

    def _train_epoch(self, epoch: int) -> NDArray[np.float64]:
        """Go once through the training examples; return each replica's mean loss."""
        sums = [self._step(images, labels) for images, labels in self._feed.training(epoch)]
        return _mean(sums, len(self._replicas[0].split.train))

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take a step; return each replica's summed loss before it."""
        losses = _losses(self._pack.logits(images), labels)
        self._descent.step(losses.sum() / losses.shape[1])
        return losses.detach().sum(1)

    @torch.inference_mode()
    def _measure(self, name: PartName, *, batches: int | None = None) -> _Measured:
        """Run all replicas on a part, or on its first batches; of no examples nothing is known."""
        if not len(getattr(self._replicas[0].split, name)):
            unknown = np.full(len(self._replicas), np.nan)
            return _Measured(loss=unknown, accuracy=unknown, logits=np.empty(0, np.float32))
        logits, sums, correct = [], [], []
        for images, labels in islice(self._feed.evaluation(name, _EVALUATION_BATCH), batches):
            found = self._pack.logits(images)
            sums.append(_losses(found, labels).sum(1))
            correct.append((found.argmax(2) == labels).sum(1))
            logits.append(found)
        together = torch.cat(logits, 1).cpu().numpy()
        n = together.shape[1]
        return _Measured(loss=_mean(sums, n), accuracy=_mean(correct, n), logits=together)

    def _report(
        self,
        epoch: int,
        training: NDArray[np.float64],
        validation: NDArray[np.float64],
        on_epoch: EpochCallback,
    ) -> None:
        """Note an epoch's losses, and which replicas have failed."""
        for place in range(len(self._replicas)):
            if place in self._failed:
                continue
            losses = float(training[place]), float(validation[place])
            self._losses[place, :, epoch] = losses
            on_epoch(place, epoch + 1, *losses)
            measured = dict(zip(("training", "validation"), losses, strict=True))
            if not self._validates:
                del measured["validation"]
            self._note(place, non_finite(measured, epoch + 1, self._settings.lr))

    @property
    def _validates(self) -> bool:
        return len(self._replicas[0].split.validation) > 0

    def _note(self, place: int, failure: TrainingError | None) -> None:
        """Note that a replica has failed, the first time."""
        if failure is not None:
            self._failed.setdefault(place, failure)

    def _results(
        self, validated: _Measured, snapshots: list[State] | None
    ) -> list[Trained | TrainingError]:
        tested, states = self._measure("test"), self._pack.states()
        results: list[Trained | TrainingError] = []
        epochs, lr = self._settings.epochs, self._settings.lr
        for place, replica in enumerate(self._replicas):
            if epochs and not self._validates:  # the last step was not looked at yet
                self._note(place, non_finite({"test": float(tested.loss[place])}, epochs, lr))
            if place in self._failed:
                results.append(self._failed[place])
                continue
            trained = Trained(
                state=without_pruned(states[place], replica.kept),
                train_loss=self._losses[place, 0],
                validation_loss=self._losses[place, 1],
                validation_accuracy=float(validated.accuracy[place]),
                test_accuracy=float(tested.accuracy[place]),
                test_loss=float(tested.loss[place]),
                logits=tested.logits[place],
                snapshot=without_pruned(snapshots[place], replica.kept) if snapshots else None,
            )
            results.append(trained)
        return results

    def seconds_per_epoch(self) -> float:
        """Time a few steps, and a batch of validation."""
        split, clock = self._replicas[0].split, self._device.seconds
        step = min(
            clock(partial(self._step, *batch))
            for batch in islice(self._feed.training(0), _TIMED_STEPS)
        )
        batch = min(clock(partial(self._measure, "validation", batches=1)) for _ in range(2))
        steps = math.ceil(len(split.train) / self._settings.batch_size)
        return step * steps + batch * math.ceil(len(split.validation) / _EVALUATION_BATCH)


def _lengths(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.validation), len(split.test)


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return each example's cross-entropy, float32 (R, batch)."""
    flat = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return flat.view(labels.shape)


def _mean(sums: Sequence[Tensor], n: int) -> NDArray[np.float64]:
    """Return the mean over n examples from the sums of batches, all (R,)."""
    batches = torch.stack(list(sums)).cpu().to(torch.float64)
    mean: NDArray[np.float64] = (batches.sum(0) / n).numpy()
    return mean
