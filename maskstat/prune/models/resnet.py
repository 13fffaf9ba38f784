"""ResNet18 with torchvision's names, shapes and initialization, and its variant for 32x32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskstat.prune.models.model import Model

__all__ = ["RESNET18", "RESNET18_CIFAR", "ResNet18"]


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(
        self, channels: int, width: int, stride: int, downsample: nn.Sequential | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)  # type: ignore[no-any-return]


class ResNet18(nn.Module):
    """Four pairs of residual blocks (He et al. 2015).

    Parameters
    ----------
    classes
        How many to tell apart; with 10 there are 11,181,642 parameters.
    cifar
        Begin with a 3x3 convolution and no pooling, for 32x32 images (11,173,962 parameters),
        instead of 7x7, stride 2 and pooling, for 224x224.

    Notes
    -----
    Every layer first draws torch's default weights; then, in a second pass, convolutions are drawn
    normal with variance 2 / fan out. Paganini & Forde (2020) leave the 1x1 convolutions of the
    shortcuts unpruned: ``exclude = ["*downsample*"]`` leaves their 11,000,000 prunable weights.
    """

    def __init__(self, classes: int, *, cifar: bool = False) -> None:
        super().__init__()
        kernel, stride = (3, 1) if cifar else (7, 2)
        self.conv1 = nn.Conv2d(3, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _pair(64, 64, 1)
        self.layer2 = _pair(64, 128, 2)
        self.layer3 = _pair(128, 256, 2)
        self.layer4 = _pair(256, 512, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float32 (n, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))  # type: ignore[no-any-return]


def _pair(channels: int, width: int, stride: int) -> nn.Sequential:
    """Make two blocks; the shortcut's convolution draws before those it goes around."""
    downsample = None
    if stride != 1:
        downsample = nn.Sequential(
            nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
        )
    return nn.Sequential(_Block(channels, width, stride, downsample), _Block(width, width, 1, None))


RESNET18 = Model(
    make=lambda shape, classes: ResNet18(classes),
    takes=lambda shape: (3, 224, 224),
    fits=lambda shape: shape[0] == 3,
    expects="3 channels of any size",
)
RESNET18_CIFAR = Model(
    make=lambda shape, classes: ResNet18(classes, cifar=True),
    takes=lambda shape: (3, 32, 32),
    fits=lambda shape: shape[0] == 3,
    expects="3 channels of any size",
)
