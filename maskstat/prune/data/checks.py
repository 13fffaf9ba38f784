"""What data must be before a network sees it, and the error for a file that is something else."""

from __future__ import annotations

import numpy as np

from maskstat.bits import IntArray
from maskstat.errors import InputError
from maskstat.prune.data.dataset import Dataset, Images

__all__ = ["checked", "lie"]

_CLASSES_LIMIT = 1 << 20
"""A label beyond it is no class."""

_AGAIN = "delete the file and fetch it again with --download"


def lie(fact: str, *, place: str, hint: str = _AGAIN) -> InputError:
    """Make the error for a file that is not what its name or its header says."""
    return InputError(
        fact,
        code="bad-data-file",
        place=place,
        consequence="the data set cannot be used",
        hint=hint,
    )


def checked(
    *,
    name: str,
    train: tuple[Images, IntArray],
    test: tuple[Images, IntArray],
    places: tuple[str, str],
    classes: int | None = None,
    notes: tuple[str, ...] = (),
    hint: str = _AGAIN,
) -> Dataset:
    """Make a data set of images and labels that fit together.

    Parameters
    ----------
    name
        What it is called.
    train, test : images uint8 or float32 (n, channels, height, width), labels int64 (n,)
    places
        Where each came from, for errors.
    classes
        How many there are; None for the greatest label and one more.
    notes
        What is to be known about the files.
    hint
        What to try where they don't fit.

    Raises
    ------
    InputError
        They differ in number, shape or type, there are none, a label is out of range, or a pixel
        is not finite.
    """
    limit = classes or _CLASSES_LIMIT
    for (images, labels), place in zip((train, test), places, strict=True):
        if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
            raise lie(
                f"images are {images.dtype} {images.shape}, not uint8 or float32 (n, c, h, w)",
                place=place,
                hint=hint,
            )
        if labels.ndim != 1 or labels.dtype != np.int64:
            raise lie(
                f"labels are {labels.dtype} {labels.shape}, not int64 (n,)", place=place, hint=hint
            )
        if not images.size:
            raise lie(f"there are no images: {images.shape}", place=place, hint=hint)
        if len(images) != len(labels):
            raise lie(
                f"there are {len(images):,} images and {len(labels):,} labels",
                place=place,
                hint=hint,
            )
        worst = int(labels.min()) if labels.min() < 0 else int(labels.max())
        if not 0 <= worst < limit:
            known = f"classes are 0 to {classes - 1}" if classes else "classes are counted from 0"
            raise lie(f"there is a label {worst}, and {known}", place=place, hint=hint)
        if images.dtype != np.uint8 and not np.isfinite(images).all():
            raise lie("there are pixels that are not finite", place=place, hint=hint)
    (images, labels), (test_images, test_labels) = train, test
    if images.shape[1:] != test_images.shape[1:]:
        raise lie(
            f"training images are {_shape(images)} and test images {_shape(test_images)}",
            place=places[1],
            hint=hint,
        )
    if images.dtype != test_images.dtype:
        raise lie(
            f"training images are {images.dtype} and test images {test_images.dtype}",
            place=places[1],
            hint=hint,
        )
    return Dataset(
        name=name,
        images=np.ascontiguousarray(images),
        labels=labels,
        test_images=np.ascontiguousarray(test_images),
        test_labels=test_labels,
        classes=classes or 1 + max(int(labels.max()), int(test_labels.max())),
        notes=notes,
    )


def _shape(images: Images) -> str:
    return "x".join(map(str, images.shape[1:]))
