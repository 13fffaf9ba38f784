"""AlexNet with torchvision's names, shapes and initialization."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskstat.prune.models.dropout import Dropout
from maskstat.prune.models.model import Model

__all__ = ["ALEXNET", "AlexNet"]


class AlexNet(nn.Module):
    """Five convolutions, three linear layers (Krizhevsky 2014, "One weird trick").

    Parameters
    ----------
    classes
        How many to tell apart; with 10 there are 57,044,810 parameters.

    Notes
    -----
    Weights are torch's default, drawn in the order of the layers. Images are 224x224 in colour;
    adaptive pooling brings others, from 63x63 on, to the same 6x6 maps.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float32 (n, classes)."""
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))  # type: ignore[no-any-return]


ALEXNET = Model(
    make=lambda shape, classes: AlexNet(classes),
    takes=lambda shape: (3, 224, 224),
    fits=lambda shape: shape[0] == 3 and min(shape[1:]) >= 63,
    expects="3 channels from 63x63 on",
)
