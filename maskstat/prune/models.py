"""The networks that are pruned, as the papers print them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu
from torch.overrides import TorchFunctionMode

from maskstat.errors import UsageError, closest

__all__ = ["MODELS", "LeNet", "build"]

_PADDED_SIDE, _SIDE = 8, 28


class LeNet(nn.Module):
    """Two 3x3 convolutions, three linear layers (Paganini & Forde 2020, appendix H.1).

    Parameters
    ----------
    channels
        Of the images.
    side
        Their height and width: 28 as in the paper, or 8, for which the convolutions are padded.
    classes
        How many to tell apart.

    Notes
    -----
    ReLU after every layer but the last, 2x2 max pooling after the first two. 28x28 grey images
    and 10 classes: 60,074 parameters; 8x8: 19,754.
    """

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        padding = 1 if side == _PADDED_SIDE else 0
        shrink = 2 - 2 * padding
        area = (((side - shrink) // 2 - shrink) // 2) ** 2
        self.conv1 = nn.Conv2d(channels, 6, 3, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, 3, padding=padding)
        self.fc1 = nn.Linear(16 * area, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float32 (n, classes)."""
        x = max_pool2d(relu(self.conv1(x)), 2)
        x = max_pool2d(relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = relu(self.fc1(x))
        x = relu(self.fc2(x))
        return self.fc3(x)  # type: ignore[no-any-return]


def _lenet(shape: tuple[int, int, int], classes: int) -> nn.Module:
    channels, height, width = shape
    if height != width or height not in (_PADDED_SIDE, _SIDE):
        raise UsageError(
            f"lenet takes images of {_SIDE}x{_SIDE} or {_PADDED_SIDE}x{_PADDED_SIDE}, "
            f"and these are {height}x{width}",
            code="wrong-input-size",
            place="model",
        )
    return LeNet(channels, height, classes)


MODELS: dict[str, Callable[[tuple[int, int, int], int], nn.Module]] = {"lenet": _lenet}


def build(
    name: str, shape: tuple[int, int, int], classes: int, *, generator: torch.Generator
) -> nn.Module:
    """Build a model with freshly drawn weights.

    Parameters
    ----------
    name
        One of `MODELS`.
    shape
        Channels, height and width of the images.
    classes
        How many to tell apart.
    generator
        All weights are drawn from it, in the order in which torch would draw them; torch's global
        generator is left alone.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        There is no such model, or it does not take such images.
    """
    if name not in MODELS:
        raise UsageError(
            f"there is no model '{name}'",
            code="unknown-model",
            place="model",
            consequence=closest(name, MODELS),
        )
    with torch.device("cpu"), _Undrawn():
        module = MODELS[name](shape, classes)
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            _draw(layer, generator)
    return module


class _Undrawn(TorchFunctionMode):
    """Keeps new layers from drawing their weights, which they would do from the global generator.

    Building them on the meta device does the same, and loads sympy to do so (0.6 s).
    """

    _DRAWS = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in self._DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def _draw(layer: nn.Linear | nn.Conv2d, generator: torch.Generator) -> None:
    """Draw from torch's default distribution: uniform in +-1/sqrt(fan in), weight then bias."""
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        layer.bias.uniform_(-bound, bound, generator=generator)
