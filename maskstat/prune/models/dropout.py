"""Dropout that draws from a generator of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "own_dropout", "seed_dropout"]


class Dropout(nn.Dropout):
    """Sets each value to 0 with probability p in training, and divides the others by 1 - p.

    What is dropped is torch's own choice, were its global generator in the same state; but that
    generator is never used.

    Parameters
    ----------
    p
        The probability.

    Attributes
    ----------
    generator : torch.Generator or None
        Draws what is dropped, on whatever device it lives; set by `seed_dropout`.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)
        self.generator: torch.Generator | None = None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the base class's name)
        """Drop values in training; return them as they are otherwise."""
        if not self.training or self.p == 0:
            return input
        if self.p == 1:
            return input * 0
        if self.generator is None:
            raise RuntimeError("dropout has no generator: call seed_dropout before training")
        kept = torch.empty(input.shape, dtype=input.dtype, device=self.generator.device)
        kept.bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)
        return input * kept.to(input.device)


def seed_dropout(module: nn.Module, generator: torch.Generator) -> None:
    """Let every `Dropout` of a module draw from a generator from now on.

    Parameters
    ----------
    module
        Any; one without dropout is left as it is.
    generator
        Shared by all of them, in the order in which they run.
    """
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.generator = generator


def own_dropout(module: nn.Module) -> None:
    """Put `Dropout` in the place of torch's in a module of anybody's.

    Parameters
    ----------
    module
        Its ``torch.nn.Dropout`` layers are replaced; their subclasses and
        ``torch.nn.functional.dropout`` stay what they are.
    """
    own: dict[nn.Module, Dropout] = {}
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if type(child) is nn.Dropout:
                setattr(parent, name, own.setdefault(child, Dropout(child.p)))
