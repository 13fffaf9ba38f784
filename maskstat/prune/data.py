"""Data sets in memory, split and normalized."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskstat.bits import IntArray
from maskstat.errors import UsageError, closest

__all__ = ["DATASETS", "Dataset", "Part", "Split", "load", "split"]

_VALIDATION_SHARE = 5
"""One in five training examples is held out for validation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images and which of them are for testing.

    Parameters
    ----------
    name
        What it is called.
    images, test_images : uint8 (n, channels, height, width)
    labels, test_labels : int64 (n,)
        Classes from 0 on.
    classes
        How many there are.
    """

    name: str
    images: NDArray[np.uint8]
    labels: IntArray
    test_images: NDArray[np.uint8]
    test_labels: IntArray
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @cached_property
    def digest(self) -> str:
        """SHA-256 over shapes, images and labels, hexadecimal."""
        sha = hashlib.sha256()
        for array in (self.images, self.labels, self.test_images, self.test_labels):
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            sha.update(f"{little.dtype.str}{little.shape}".encode())
            sha.update(np.ascontiguousarray(little).tobytes())
        return sha.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Examples ready for a network.

    Parameters
    ----------
    images : float32 (n, channels, height, width)
        Normalized.
    labels : int64 (n,)
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """A data set cut into its three parts.

    Parameters
    ----------
    train, validation, test
        The parts.
    mean, std
        Of each channel of the training part, in units of the stored images; what all three parts
        are normalized by.
    """

    train: Part
    validation: Part
    test: Part
    mean: tuple[float, ...]
    std: tuple[float, ...]


def split(dataset: Dataset, *, generator: torch.Generator) -> Split:
    """Hold out a fifth of the training examples and normalize by the others' statistics.

    Parameters
    ----------
    dataset
        Whose test part is as it comes.
    generator
        Draws which examples are held out.

    Returns
    -------
    Split

    Notes
    -----
    80/20 and the normalization as in Paganini & Forde (2020), appendix H.4. Sums of the stored
    integers are exact, so the statistics don't depend on the order of summation.
    """
    order = torch.randperm(len(dataset.labels), generator=generator).numpy()
    n_validation = round(len(order) / _VALIDATION_SHARE)
    held_out, chosen = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    mean, std = _statistics(dataset.images[chosen])

    def part(images: NDArray[np.uint8], labels: IntArray) -> Part:
        centred = (images.astype(np.float32) - _column(mean)) / _column(std)
        return Part(images=torch.from_numpy(centred), labels=torch.from_numpy(labels.copy()))

    return Split(
        train=part(dataset.images[chosen], dataset.labels[chosen]),
        validation=part(dataset.images[held_out], dataset.labels[held_out]),
        test=part(dataset.test_images, dataset.test_labels),
        mean=mean,
        std=std,
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


def _digits() -> Dataset:
    """Load the handwritten digits that come with this package (see digits.txt)."""
    raw = files("maskstat.prune").joinpath("datasets", "digits.npz").read_bytes()
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        images, labels, test = stored["images"][:, None], stored["labels"], stored["test"]
    labels = labels.astype(np.int64)
    return Dataset(
        name="digits",
        images=images[~test],
        labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=10,
    )


DATASETS: dict[str, Callable[[], Dataset]] = {"digits": _digits}


def load(name: str) -> Dataset:
    """Load a data set by name.

    Raises
    ------
    UsageError
        There is no such data set.
    """
    if name not in DATASETS:
        raise UsageError(
            f"there is no data set '{name}'",
            code="unknown-dataset",
            place="dataset",
            consequence=closest(name, DATASETS),
        )
    return DATASETS[name]()
