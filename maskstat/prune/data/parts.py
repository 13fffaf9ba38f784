"""Train, validation and test parts of a data set, gathered in batches as a network takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from maskstat.bits import IntArray
from maskstat.errors import InputError
from maskstat.prune.data.augment import Augmentation
from maskstat.prune.data.dataset import Dataset, Images
from maskstat.prune.data.preprocess import Preprocessing, preprocessing

__all__ = ["Part", "Preprocessing", "Split", "split"]

_PREPARED_LIMIT = 1 << 30
"""Bytes up to which a part is prepared once and not batch by batch."""
_CHUNK = 1 << 24
"""Bytes that are prepared at once."""


class Part:
    """Labelled examples.

    Parameters
    ----------
    images : float32 (n, channels, height, width), or as they are stored
        Prepared, or to be prepared batch by batch.
    labels : int64 (n,)
        Classes from 0 on.
    pending
        What is still to be done to images.
    augmentation
        What is done to them at random, on the training part alone.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        pending: Preprocessing | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._images = images
        self.labels = labels
        self._pending = pending
        self._augmentation = augmentation

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
            On the device that the part is on. The bits of an image depend on the image and what is
            drawn for it alone.
        """
        images, index = self._images, index.to(self._images.device)
        if self._pending:
            images = self._pending.prepare(images.index_select(0, index))
            index = torch.arange(len(images), device=images.device)
        if self._augmentation and generator:
            return self._augmentation(images, index, generator)
        batch = images if self._pending else images.index_select(0, index)
        return self._augmentation.centre(batch) if self._augmentation else batch

    def to(self, device: torch.device | str) -> Part:
        """Return the same examples on a device; batches are gathered and prepared there."""
        return Part(
            self._images.to(device),
            self.labels.to(device),
            pending=self._pending,
            augmentation=self._augmentation,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """A data set cut into its three parts.

    Parameters
    ----------
    train, validation, test
        The parts.
    preprocessing
        What is done to each of their images; the training part's alone are augmented.
    """

    train: Part
    validation: Part
    test: Part
    preprocessing: Preprocessing

    def to(self, device: torch.device | str) -> Split:
        """Return the same parts on a device."""
        return Split(
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            preprocessing=self.preprocessing,
        )


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
        The share; 0 leaves the validation part empty.
    normalize
        Whether images are normalized.
    augment
        ``flip``, ``crop``: what is done to training images at random.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        Nothing is left to train on, or to validate on where that was asked, or the images'
        channels don't fit.

    Notes
    -----
    80/20, augmentation, resizing and the normalization as in Paganini & Forde (2020), appendix
    H.4. The order of the steps stands in `Preprocessing`.
    """
    order = torch.randperm(len(dataset.labels), generator=generator).numpy()
    n_validation = round(len(order) * validation)
    held_out, chosen = np.sort(order[:n_validation]), np.sort(order[n_validation:])
    if not (len(chosen) and (len(held_out) or not validation)):
        lacking, share = ("validate", "larger") if len(chosen) else ("train", "smaller")
        raise InputError(
            f"of {len(order):,} examples {n_validation:,} are held out for validation",
            code="no-examples",
            place=f"dataset {dataset.name}",
            consequence=f"none is left to {lacking} on",
            hint=f"more examples, or a {share} share: --set data.validation=",
        )
    training = dataset.images[chosen]
    augmented = preprocessing(
        dataset, training, shape=shape or dataset.shape, normalize=normalize, augment=augment
    )
    plain = augmented.without_augmentation()
    return Split(
        train=_part(training, dataset.labels[chosen], augmented),
        validation=_part(dataset.images[held_out], dataset.labels[held_out], plain),
        test=_part(dataset.test_images, dataset.test_labels, plain),
        preprocessing=augmented,
    )


def _part(images: Images, labels: IntArray, preprocess: Preprocessing) -> Part:
    """Make a part, prepared once where there is room."""
    _, height, width = preprocess.shape
    augmentation = None
    if preprocess.augment:
        augmentation = Augmentation(
            height=height, width=width, crop=preprocess.crop, flip="flip" in preprocess.augment
        )
    stored, classes = (
        torch.from_numpy(np.require(images, requirements=("C", "W"))),
        torch.from_numpy(labels.copy()),
    )
    each = 4 * math.prod(preprocess.padded)
    if each * len(stored) > _PREPARED_LIMIT:
        return Part(stored, classes, pending=preprocess, augmentation=augmentation)
    prepared = torch.empty(len(stored), *preprocess.padded)
    step = max(1, _CHUNK // each)
    for i in range(0, len(stored), step):
        prepared[i : i + step] = preprocess.prepare(stored[i : i + step])
    return Part(prepared, classes, augmentation=augmentation)
