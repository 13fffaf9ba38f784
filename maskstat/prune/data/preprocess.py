"""How stored images become what a network takes: colour, normalization, size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from maskstat.errors import InputError
from maskstat.prune.data.dataset import Dataset, Images

__all__ = ["LUMINANCE", "Preprocessing", "preprocessing", "statistics"]

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

_THOUSANDTHS = (299, 587, 114)
_CROP_SHARE = 8
"""A crop's padding is one of so many of the side: 4 at 32 pixels."""
_CHUNK = 1 << 22
"""Stored values that are looked at at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What is done to every image, in this order.

    1. Colour becomes grey (by `LUMINANCE`) where the network takes one channel.
    2. Each channel is normalized: ``(x - mean) / std``.
    3. Height and width are brought to `shape` (bilinear, no antialiasing, corners not aligned).
    4. Grey is repeated where the network takes colour.
    5. `crop` pixels are added on every side, of what a stored 0 is normalized to.

    Training images are cropped and flipped afterwards.

    Parameters
    ----------
    shape
        Channels, height and width of the input.
    stored
        Channels, height and width of the stored images.
    mean, std
        Of each channel after step 1, over the training part, in units of the stored images; 0 and
        1 where images are not normalized.
    augment
        ``flip``, ``crop``: what is done at random to training images.
    """

    shape: tuple[int, int, int]
    stored: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: tuple[str, ...] = ()

    @property
    def crop(self) -> tuple[int, int]:
        """Padding above and below, and left and right, that crops are taken from."""
        if "crop" not in self.augment:
            return 0, 0
        _, height, width = self.shape
        return round(height / _CROP_SHARE), round(width / _CROP_SHARE)

    @property
    def padded(self) -> tuple[int, int, int]:
        """Channels, height and width of prepared images, padding included."""
        (channels, height, width), (down, right) = self.shape, self.crop
        return channels, height + 2 * down, width + 2 * right

    def without_augmentation(self) -> Preprocessing:
        """Return what is done to validation and test images."""
        return replace(self, augment=())

    def prepare(self, images: Tensor) -> Tensor:
        """Prepare a batch.

        Parameters
        ----------
        images : uint8 or float32 (n, channels, height, width)
            As they are stored.

        Returns
        -------
        float32 (n, *padded)
            Each image's bits don't depend on the batch.
        """
        x = images.to(torch.float32)
        if self.stored[0] == 3 and self.shape[0] == 1:
            red, green, blue = torch.split(x, 1, dim=1)
            x = red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]
        mean, std = self._column(self.mean, x), self._column(self.std, x)
        x = (x - mean) / std
        if self.stored[1:] != self.shape[1:]:
            x = interpolate(x, size=self.shape[1:], mode="bilinear", align_corners=False)
        x = x.expand(-1, self.shape[0], -1, -1)
        if self.crop == (0, 0):
            return x.contiguous()
        (_, height, width), (down, right) = self.shape, self.crop
        wide = ((0 - mean) / std).expand(len(x), *self.padded).contiguous()
        wide[:, :, down : down + height, right : right + width] = x
        return wide

    def _column(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        """Shape one value a channel so that it broadcasts over images."""
        return torch.tensor(values, dtype=torch.float32, device=like.device)[None, :, None, None]


def preprocessing(
    dataset: Dataset,
    training: Images,
    *,
    shape: tuple[int, int, int],
    normalize: bool,
    augment: tuple[str, ...],
) -> Preprocessing:
    """Decide what is done to a data set's images for an input of a given shape.

    Parameters
    ----------
    dataset
        Whose images they are.
    training : uint8 or float32 (n, channels, height, width)
        The training part, whose statistics count.
    shape
        Channels, height and width of the input.
    normalize
        Whether images are normalized.
    augment
        ``flip``, ``crop``.

    Raises
    ------
    InputError
        The images' channels can't be brought to the input's.
    """
    stored, channels = dataset.shape[0], shape[0]
    if stored != channels and (stored, channels) not in ((1, 3), (3, 1)):
        raise InputError(
            f"its images have {stored} channels, the model takes {channels}",
            code="wrong-channels",
            place=f"dataset {dataset.name}",
            consequence="only grey and colour are turned into each other",
            hint=f"a model that takes {stored} channels",
        )
    grey = stored == 3 and channels == 1
    n = 1 if grey else stored
    mean, std = statistics(training, grey=grey) if normalize else ((0.0,) * n, (1.0,) * n)
    return Preprocessing(shape=shape, stored=dataset.shape, mean=mean, std=std, augment=augment)


def statistics(
    images: Images, *, grey: bool = False
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation, 1 for a constant channel.

    Parameters
    ----------
    images : uint8 or float32 (n, channels, height, width)
    grey
        Whether three channels are one by their luminance.

    Notes
    -----
    Sums of stored integers are exact, those of floating-point numbers are of float64 and about
    the mean.
    """
    channels = 1 if grey else images.shape[1]
    found = [_moments(images, None if grey else channel) for channel in range(channels)]
    return tuple(mean for mean, _ in found), tuple(std for _, std in found)


def _moments(images: Images, channel: int | None) -> tuple[float, float]:
    """Return the mean and standard deviation of a channel, or of the luminance."""
    step = max(1, _CHUNK // int(np.prod(images.shape[1:])))
    chunks = [slice(i, i + step) for i in range(0, len(images), step)]
    n = len(images) * images.shape[2] * images.shape[3]
    if images.dtype == np.uint8:
        unit = 1 if channel is not None else 1000
        total = squares = 0
        for chunk in chunks:
            x = _integers(images[chunk], channel)
            total += int(x.sum())
            squares += int(np.vdot(x, x))
        return total / (unit * n), ((n * squares - total * total) / (unit * n) ** 2) ** 0.5 or 1.0
    mean = sum(float(_floats(images[chunk], channel).sum()) for chunk in chunks) / n
    second = sum(float(((_floats(images[chunk], channel) - mean) ** 2).sum()) for chunk in chunks)
    return mean, (second / n) ** 0.5 or 1.0


def _integers(images: Images, channel: int | None) -> NDArray[np.int64]:
    """Return a channel, or a thousand times the luminance."""
    if channel is not None:
        return images[:, channel].astype(np.int64)
    weights = np.array(_THOUSANDTHS, np.int64)[:, None, None]
    return np.asarray((images * weights).sum(axis=1))


def _floats(images: Images, channel: int | None) -> NDArray[np.float64]:
    """Return a channel, or the luminance."""
    if channel is not None:
        return images[:, channel].astype(np.float64)
    weights = np.array(LUMINANCE)[:, None, None]
    return np.asarray((images * weights).sum(axis=1))
