"""Data sets in memory, as they are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import IntArray

__all__ = ["Dataset", "Images"]

Images: TypeAlias = NDArray[Any]
"""uint8 as image files have them, or float32."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Labelled images and which of them are for testing.

    Parameters
    ----------
    name
        What it is called.
    images, test_images : uint8 or float32 (n, channels, height, width)
    labels, test_labels : int64 (n,)
        Classes from 0 on.
    classes
        How many there are.
    notes
        What is to be known about the files, e.g. that they are not the published ones.
    """

    name: str
    images: Images
    labels: IntArray
    test_images: Images
    test_labels: IntArray
    classes: int
    notes: tuple[str, ...] = ()

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
            sha.update(np.ascontiguousarray(little).data)
        return sha.hexdigest()
