"""VGG11 with torchvision's names, shapes and initialization."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskstat.prune.models.dropout import Dropout
from maskstat.prune.models.model import Model

__all__ = ["VGG11", "Vgg11"]

_POOL = 0
_CONFIGURATION_A = (64, _POOL, 128, _POOL, 256, 256, _POOL, 512, 512, _POOL, 512, 512, _POOL)


class Vgg11(nn.Module):
    """Eight convolutions, three linear layers (Simonyan & Zisserman 2014, configuration A).

    Parameters
    ----------
    classes
        How many to tell apart; with 10 there are 128,807,306 parameters.

    Notes
    -----
    Every layer first draws torch's default weights and then, in a second pass, its own:
    convolutions normal with variance 2 / fan out, linear layers N(0, 0.01^2); biases are 0. Images
    are 224x224 in colour; adaptive pooling brings others, from 32x32 on, to the same 7x7 maps.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = _features()
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            Dropout(0.5),
            nn.Linear(4096, classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
            else:
                continue
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float32 (n, classes)."""
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))  # type: ignore[no-any-return]


def _features() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width in _CONFIGURATION_A:
        if width == _POOL:
            layers.append(nn.MaxPool2d(2, stride=2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
    return nn.Sequential(*layers)


VGG11 = Model(
    make=lambda shape, classes: Vgg11(classes),
    takes=lambda shape: (3, 224, 224),
    fits=lambda shape: shape[0] == 3 and min(shape[1:]) >= 32,
    expects="3 channels from 32x32 on",
)
