"""Engine: what every way of training takes and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskstat.bits import BoolArray
from maskstat.errors import TrainingError
from maskstat.prune.data.parts import Split
from maskstat.prune.network import State
from maskstat.prune.streams import Streams

__all__ = [
    "Draws",
    "Engine",
    "EpochCallback",
    "Replica",
    "Settings",
    "Trained",
    "non_finite",
    "without_pruned",
]

EpochCallback: TypeAlias = Callable[[int, int, float, float], None]
"""Called with a replica's place, the epoch, from 1, its training loss and its validation loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Stochastic gradient descent.

    Parameters
    ----------
    epochs
        Passes over the training examples, from the initial weights on; 0 trains nothing.
    first_epoch
        The epoch to begin with, from 0: where weights are rewound to.
    lr
        Constant learning rate.
    batch_size
        Examples a step; the last batch of an epoch may be smaller.
    momentum, weight_decay
        As in ``torch.optim.SGD``.
    snapshot
        The epoch after which all values are to be returned, too.
    """

    epochs: int
    lr: float
    batch_size: int
    first_epoch: int = 0
    momentum: float = 0.0
    weight_decay: float = 0.0
    snapshot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """The random draws of one training.

    Parameters
    ----------
    streams
        The run's.
    iteration
        The pruning iteration whose training it is.
    """

    streams: Streams
    iteration: int

    def order(self, epoch: int, n: int) -> Tensor:
        """Draw the order of n examples in an epoch, from 0: int64 (n,)."""
        return torch.randperm(n, generator=self.generator("order", epoch), device="cpu")

    def generator(self, stream: str, epoch: int) -> torch.Generator:
        """Make the generator of a stream in an epoch, on the CPU."""
        return self.streams.generator(stream, self.iteration, epoch=epoch)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replica:
    """One network to train.

    Parameters
    ----------
    start
        What everything starts from.
    kept : bool (n_weights,)
        The mask. A pruned weight is 0 in every forward pass and after every step.
    split
        What it is trained, validated and tested on.
    draws
        Its randomness.
    """

    start: State
    kept: BoolArray
    split: Split
    draws: Draws


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """What a training came to.

    Parameters
    ----------
    state
        All values afterwards; a pruned weight is 0.
    train_loss, validation_loss : float64 (n_epochs,)
        Mean cross-entropy in nats by epoch: of the batches, each before its step; on the validation
        examples, after the epoch. NaN for epochs before the first.
    validation_accuracy, test_accuracy, test_loss
        Afterwards; shares and nats. What is measured on validation examples is NaN where there are
        none.
    logits : float32 (n_examples, n_classes)
        On the test part.
    snapshot
        All values after the settings' `snapshot` epoch; None where none was asked for.
    """

    state: State
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    validation_accuracy: float
    test_accuracy: float
    test_loss: float
    logits: NDArray[np.float32]
    snapshot: State | None = None


class Engine(Protocol):
    """A way to train replicas of one architecture.

    Its bits for a replica depend on the replica and the settings alone: neither on the others that
    are trained with it nor on its place among them.
    """

    name: str
    """Stands in provenance: another engine adds in another order, and so gives other bits."""
    pack: int
    """How many replicas it trains best at once."""

    def train(
        self, replicas: Sequence[Replica], *, settings: Settings, on_epoch: EpochCallback
    ) -> list[Trained | TrainingError]:
        """Train replicas; one whose loss is not finite gives its error, and the others go on."""
        ...

    def seconds_per_epoch(self, replicas: Sequence[Replica], *, settings: Settings) -> float:
        """Time a few steps and return what an epoch of all replicas will take."""
        ...


def non_finite(losses: Mapping[str, float], epoch: int, lr: float) -> TrainingError | None:
    """Return the error for losses that are not finite after an epoch, counted from 1.

    Parameters
    ----------
    losses
        Where each was measured, ``training``, ``validation`` or ``test``, to its value.
    epoch, lr
        For the message.
    """
    if all(map(isfinite, losses.values())):
        return None
    told = " and ".join(f"{loss:g} in {where}" for where, loss in losses.items())
    return TrainingError(
        f"the loss is {told} after epoch {epoch}",
        code="non-finite-loss",
        hint=f"a learning rate below {lr:g}: --lr",
    )


def without_pruned(state: State, kept: BoolArray) -> State:
    """Make every pruned weight +0: multiplying by a mask leaves the sign."""
    return State(weights=np.where(kept, state.weights, np.float32(0)), others=state.others)
