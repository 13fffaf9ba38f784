"""The handwritten digits that come with this package, and other tasks made of the same images."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from maskstat.prune.data.dataset import Dataset, Images

__all__ = ["DIGITS_VARIANTS", "digits"]

_BRIGHTEST = 16


def _permuted(images: Images) -> Images:
    """Put the pixels of all images into one other order, which no library's version changes."""
    order = sorted(range(64), key=lambda pixel: hashlib.sha256(bytes([pixel])).digest())
    return images.reshape(*images.shape[:-2], 64)[..., order].reshape(images.shape)


DIGITS_VARIANTS: Mapping[str, Callable[[Images], Images]] = MappingProxyType(
    {
        "rotated": lambda images: np.rot90(images, axes=(-2, -1)),
        "inverted": lambda images: (_BRIGHTEST - images).astype(images.dtype),
        "flipped": lambda images: images[..., ::-1],
        "permuted": _permuted,
        "turned": lambda images: images[..., ::-1, ::-1],
        "transposed": lambda images: images.swapaxes(-2, -1),
    }
)
"""Variant to what it does to images of 8x8, whose values go from 0 to 16.

The last two are for tasks that tickets were not sourced on.
"""


def digits(variant: str = "") -> Dataset:
    """Load 1,797 grey images of 8x8, a fixed stratified fifth for testing (datasets/digits.txt).

    Parameters
    ----------
    variant
        One of `DIGITS_VARIANTS`, a task of its own of the same shape and with the same ten
        classes: turned by a quarter (``rotated``) or by half (``turned``), dark for light
        (``inverted``), mirrored left to right (``flipped``) or at the diagonal (``transposed``),
        or with the pixels in one other fixed order (``permuted``). They stand in for other data
        sets of one family where there are none: their images are real, but the same ones.

    Examples
    --------
    >>> upright, rotated = digits(), digits("rotated")
    >>> bool((upright.images[:, :, 0, 1] == rotated.images[:, :, 6, 0]).all())
    True
    """
    raw = files("maskstat.prune").joinpath("datasets", "digits.npz").read_bytes()
    with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
        images, labels, test = stored["images"][:, None], stored["labels"], stored["test"]
    if variant:
        images = np.ascontiguousarray(DIGITS_VARIANTS[variant](images))
    labels = labels.astype(np.int64)
    return Dataset(
        name=f"digits:{variant}" if variant else "digits",
        images=images[~test],
        labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=10,
    )
