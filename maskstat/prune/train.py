"""The training loop: stochastic gradient descent on a masked network, from start to finish."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from maskstat.bits import BoolArray
from maskstat.errors import TrainingError
from maskstat.prune.data import Part
from maskstat.prune.network import Network, State

__all__ = ["ENGINE", "EpochCallback", "Settings", "Trained", "accuracy", "logits", "train"]

ENGINE = "loop"
"""Names this way of training: another one adds in another order, and so gives other bits."""

_EVALUATION_BATCH = 512

EpochCallback: TypeAlias = Callable[[int, float, float], None]
"""Called with the epoch, from 1, its training loss and its validation loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Stochastic gradient descent.

    Parameters
    ----------
    epochs
        Passes over the training examples.
    lr
        Constant learning rate.
    batch_size
        Examples a step; the last batch of an epoch may be smaller.
    momentum, weight_decay
        As in ``torch.optim.SGD``.
    """

    epochs: int
    lr: float
    batch_size: int
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """What training came to.

    Parameters
    ----------
    state
        All values afterwards; a pruned weight is 0.
    train_loss : float64 (n_epochs,)
        Mean cross-entropy of an epoch's batches, each before its step, in nats.
    validation_loss : float64 (n_epochs,)
        Mean cross-entropy on the validation examples after each epoch, in nats.
    """

    state: State
    train_loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]


def train(
    network: Network,
    start: State,
    kept: BoolArray,
    *,
    examples: Part,
    validation: Part,
    settings: Settings,
    order: torch.Generator,
    on_epoch: EpochCallback,
) -> Trained:
    """Train a network under a mask.

    Parameters
    ----------
    network
        Where the training happens; what it holds is overwritten.
    start
        What everything starts from.
    kept : bool (n_weights,)
        The mask. A pruned weight is 0 in every forward pass and after every step.
    examples, validation
        What is trained on, and what the validation loss is taken on.
    settings
        The optimizer's, whose own state starts fresh.
    order
        Draws the order of the examples, anew for each epoch.
    on_epoch
        Called after each epoch.

    Returns
    -------
    Trained

    Raises
    ------
    TrainingError
        A loss is not finite.
    """
    network.load(start)
    module = network.module
    step = _Step(network, kept, settings)
    losses = np.full((2, settings.epochs), np.nan)
    for epoch in range(settings.epochs):
        module.train()
        drawn = torch.randperm(len(examples), generator=order, device="cpu")
        batches = torch.split(drawn, settings.batch_size)
        total = torch.zeros((), dtype=torch.float64)
        for batch in batches:
            x, y = examples.images.index_select(0, batch), examples.labels.index_select(0, batch)
            loss = cross_entropy(module(x), y)
            step(loss)
            total += loss.detach() * len(batch)
        losses[0, epoch] = float(total) / len(examples)
        held_out = logits(module, validation)
        losses[1, epoch] = float(cross_entropy(held_out, validation.labels))
        on_epoch(epoch + 1, losses[0, epoch], losses[1, epoch])
        if not math.isfinite(losses[:, epoch].sum()):
            raise TrainingError(
                f"the loss is {losses[0, epoch]:g} in training and {losses[1, epoch]:g} in "
                f"validation after epoch {epoch + 1}",
                code="non-finite-loss",
                hint=f"a learning rate below {settings.lr:g}: --lr",
            )
    return Trained(
        state=_without_pruned(network.state(), kept),
        train_loss=losses[0],
        validation_loss=losses[1],
    )


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
def logits(module: nn.Module, part: Part) -> Tensor:
    """Return a module's logits on examples, float32 (n, classes), as when it is used."""
    module.eval()
    return torch.cat([module(x) for x in torch.split(part.images, _EVALUATION_BATCH)])


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of examples whose largest logit is at their label."""
    return int((logits.argmax(1) == labels).sum()) / len(labels)
