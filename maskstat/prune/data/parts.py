"""Train, validation and test parts of a data set, turned into what a network takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskstat.bits import IntArray
from maskstat.prune.data.dataset import Dataset, Images

__all__ = ["Part", "Preprocessing", "Split", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How stored images become a network's input.

    Parameters
    ----------
    shape
        Channels, height and width of the input.
    mean, std
        Of each stored channel of the training part, in units of the stored images; what all
        images are normalized by.
    augment
        ``flip``, ``crop``: at random, on training images alone.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: tuple[str, ...] = ()


class Part:
    """Labelled examples, gathered in batches as a network takes them.

    Parameters
    ----------
    images : float32 (n, channels, height, width)
        Normalized.
    labels : int64 (n,)
        Classes from 0 on.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, index: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Gather a batch.

        Parameters
        ----------
        index : int64 (n,)
            Which examples.
        generator
            Draws augmentations, on the training part alone; None leaves the images as they are.

        Returns
        -------
        float32 (n, channels, height, width)
        """
        return self._images.index_select(0, index)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """A data set cut into its three parts.

    Parameters
    ----------
    train, validation, test
        The parts.
    preprocessing
        What is done to each of their images.
    """

    train: Part
    validation: Part
    test: Part
    preprocessing: Preprocessing


def split(
    dataset: Dataset,
    *,
    generator: torch.Generator,
    shape: tuple[int, int, int] | None = None,
    validation: float = 0.2,
    normalize: bool = True,
    augment: tuple[str, ...] = (),
) -> Split:
    """Hold out a share of the training examples and normalize by the others' statistics.

    Parameters
    ----------
    dataset
        Whose test part is as it comes.
    generator
        Draws which examples are held out.
    shape
        Channels, height and width that images are brought to; their own by default.
    validation
        The share.
    normalize
        Whether images are normalized.
    augment
        ``flip``, ``crop``: what is done to training images at random.

    Returns
    -------
    Split

    Notes
    -----
    80/20, augmentation, resizing and the normalization as in Paganini & Forde (2020), appendix
    H.4. Sums of the stored integers are exact, so the statistics don't depend on the order of
    summation.
    """
    order = torch.randperm(len(dataset.labels), generator=generator).numpy()
    n_validation = round(len(order) * validation)
    held_out, chosen = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    mean, std = _statistics(dataset.images[chosen])

    def part(images: Images, labels: IntArray) -> Part:
        centred = (images.astype(np.float32) - _column(mean)) / _column(std)
        return Part(torch.from_numpy(centred), torch.from_numpy(labels.copy()))

    return Split(
        train=part(dataset.images[chosen], dataset.labels[chosen]),
        validation=part(dataset.images[held_out], dataset.labels[held_out]),
        test=part(dataset.test_images, dataset.test_labels),
        preprocessing=Preprocessing(shape=shape or dataset.shape, mean=mean, std=std),
    )


def _statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return each channel's mean and standard deviation (1 for a constant channel)."""
    means, stds = [], []
    for channel in range(images.shape[1]):
        histogram = np.bincount(images[:, channel].reshape(-1), minlength=256)
        n = int(histogram.sum())
        total = sum(value * int(count) for value, count in enumerate(histogram))
        squares = sum(value * value * int(count) for value, count in enumerate(histogram))
        means.append(total / n)
        stds.append(((n * squares - total * total) / n**2) ** 0.5 or 1.0)
    return tuple(means), tuple(stds)


def _column(values: tuple[float, ...]) -> NDArray[np.float32]:
    """Shape one value a channel so that it broadcasts over images."""
    return np.array(values, np.float32)[:, None, None]
