"""LeNet, as Paganini & Forde and as Grosse & Backes print it."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from maskstat.prune.models.model import Model, Shape

__all__ = ["LENET", "LENET_5X5", "LENET_EQUAL", "LeNet", "LeNet5x5", "LeNetEqual"]

_PADDED_SIDE = 8
_GREY, _COLOUR = (1, 28, 28), (3, 32, 32)


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
    ReLU after every layer but the last, max pooling after the first two. 28x28 grey images
    and 10 classes: 60,074 parameters; 8x8: 19,754.
    """

    convolutions: ClassVar = (6, 16)
    kernel: ClassVar = 3
    pools: ClassVar = (2, 2)
    linear: ClassVar = (120, 84)

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        padding = 1 if side == _PADDED_SIDE else 0
        shrink = self.kernel - 1 - 2 * padding
        for pool in self.pools:
            side = (side - shrink) // pool
        first, second = self.convolutions
        wide, narrow = self.linear
        self.conv1 = nn.Conv2d(channels, first, self.kernel, padding=padding)
        self.conv2 = nn.Conv2d(first, second, self.kernel, padding=padding)
        self.fc1 = nn.Linear(second * side**2, wide)
        self.fc2 = nn.Linear(wide, narrow)
        self.fc3 = nn.Linear(narrow, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float32 (n, classes)."""
        x = max_pool2d(relu(self.conv1(x)), self.pools[0])
        x = max_pool2d(relu(self.conv2(x)), self.pools[1])
        x = torch.flatten(x, 1)
        x = relu(self.fc1(x))
        x = relu(self.fc2(x))
        return self.fc3(x)  # type: ignore[no-any-return]


class LeNet5x5(LeNet):
    """The same with 5x5 convolutions (Grosse & Backes 2020, section 3.1).

    Takes 28x28 grey images (fc1 is then 256-120; 44,190 weights and 236 biases) and 32x32 ones in
    colour (fc1 400-120; 61,770 weights).
    """

    kernel = 5


class LeNetEqual(LeNet):
    """Inner layers of about equal size (Grosse & Backes 2020, appendix D.5).

    Notes
    -----
    The paper prints sizes alone: first layer 400 weights, inner layers 2,400 or 2,500, last layer
    250. On 28x28 grey images and with 5x5 convolutions they leave little choice:

    ======  ===========================  ========================================
    conv1   5x5, 1 -> 16                 25 x 1 x 16 = 400; 28 -> 24, pooled to 12
    conv2   5x5, 16 -> 6                 25 x 16 x 6 = 2,400; 12 -> 8, pooled to 2
    fc1     6 x 2 x 2 = 24 -> 100        2,400
    fc2     100 -> 25                    2,500
    fc3     25 -> 10                     250
    ======  ===========================  ========================================

    250 weights for 10 classes fix 25 inputs of fc3, and so 96 to 100 of fc2; fc1 then has about 24,
    which 6 channels give when 8x8 maps are pooled by 4. 7,950 weights and 157 biases.
    """

    convolutions = (16, 6)
    kernel = 5
    pools = (2, 4)
    linear = (100, 25)


def _lenet_takes(shape: Shape) -> Shape:
    """Leave 8x8 images as they are; bring all others to the paper's 28x28 grey."""
    return shape if shape[1:] == (_PADDED_SIDE, _PADDED_SIDE) else _GREY


LENET = Model(
    make=lambda shape, classes: LeNet(shape[0], shape[1], classes),
    takes=_lenet_takes,
    fits=lambda shape: shape[1:] in ((28, 28), (_PADDED_SIDE, _PADDED_SIDE)),
    expects="28x28 or 8x8, any number of channels",
)
LENET_5X5 = Model(
    make=lambda shape, classes: LeNet5x5(shape[0], shape[1], classes),
    takes=lambda shape: _GREY if shape[0] == 1 else _COLOUR,
    fits=lambda shape: shape[1:] in ((28, 28), (32, 32)),
    expects="28x28 or 32x32, any number of channels",
)
LENET_EQUAL = Model(
    make=lambda shape, classes: LeNetEqual(shape[0], shape[1], classes),
    takes=lambda shape: _GREY,
    fits=lambda shape: shape == _GREY,
    expects="1x28x28",
)
