"""Stochastic gradient descent that leaves pruned weights at 0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from maskstat.prune.engines.engine import Settings

__all__ = ["Descent"]


class Descent:
    """Takes steps of ``torch.optim.SGD``'s arithmetic, each followed by the mask.

    Parameters
    ----------
    parameters
        What is trained; its masked weights are set to 0 at once.
    masked, factors
        Tensors with a mask, and for each a tensor of zeros and ones of its shape.
    settings
        Learning rate, momentum and weight decay.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        masked: Sequence[Tensor],
        factors: Sequence[Tensor],
        *,
        settings: Settings,
    ) -> None:
        self._parameters = list(parameters)
        self._masked, self._factors = list(masked), list(factors)
        self._settings = settings
        self._velocity = [torch.zeros_like(p) for p in parameters] if settings.momentum else []
        with torch.no_grad():
            torch._foreach_mul_(self._masked, self._factors)

    def step(self, loss: Tensor) -> None:
        """Go down a loss's gradient; a parameter that it doesn't depend on has none."""
        changes = torch.autograd.grad(
            loss, self._parameters, allow_unused=True, materialize_grads=True
        )
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
