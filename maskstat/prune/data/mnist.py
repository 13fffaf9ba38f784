"""MNIST and what came after it in the same files: Fashion-MNIST, KMNIST, EMNIST."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskstat.prune.data.checks import checked, lie
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.genuine import difference
from maskstat.prune.data.idx import array_of, declared_size
from maskstat.prune.data.packed import contents, zip_member
from maskstat.prune.data.places import Places

__all__ = ["EMNIST_CLASSES", "emnist", "mnist"]

EMNIST_CLASSES = {
    "balanced": 47,
    "byclass": 62,
    "bymerge": 47,
    "letters": 26,
    "digits": 10,
    "mnist": 10,
}
"""Variant of EMNIST to its number of classes."""

_EMNIST_ARCHIVES = ("gzip.zip", "emnist.zip")


def mnist(places: Places) -> Dataset:
    """Load MNIST, Fashion-MNIST or KMNIST, whichever the places are of.

    Raises
    ------
    NotFoundError
        A file is missing.
    InputError
        A file is not what it has to be.
    """
    names = _four("train", "t10k")
    paths = [path for path in map(places.find, names) if path]
    if len(paths) < len(names):
        raise places.missing(tuple(name for name in names if not places.find(name)))
    images, labels, test_images, test_labels, notes = _read(places.name, names, paths)
    return checked(
        name=places.name,
        train=(images[:, None], labels.astype(np.int64)),
        test=(test_images[:, None], test_labels.astype(np.int64)),
        places=(str(paths[0]), str(paths[2])),
        classes=10,
        notes=notes,
    )


def emnist(places: Places, variant: str = "balanced") -> Dataset:
    """Load a variant of EMNIST, from unpacked files or from the archive it comes in.

    Its images are stored transposed, and its letters counted from 1.

    Parameters
    ----------
    places
        Where its files are looked for.
    variant
        One of `EMNIST_CLASSES`.

    Raises
    ------
    NotFoundError
        A file is missing.
    InputError
        A file is not what it has to be.
    """
    names = _four(f"emnist-{variant}-train", f"emnist-{variant}-test")
    paths = [path for path in map(places.find, names) if path]
    archive = places.find(*_EMNIST_ARCHIVES)
    if len(paths) == len(names):
        images, labels, test_images, test_labels, notes = _read("emnist", names, paths)
        where = (str(paths[0]), str(paths[2]))
    elif archive:
        images, labels, test_images, test_labels, notes = _read_archive(archive, names)
        where = (f"{archive}::{names[0]}", f"{archive}::{names[2]}")
    else:
        raise places.missing(tuple(name for name in names if not places.find(name)))
    first = 1 if variant == "letters" else 0
    return checked(
        name=f"emnist:{variant}",
        train=(images.transpose(0, 2, 1)[:, None], labels.astype(np.int64) - first),
        test=(test_images.transpose(0, 2, 1)[:, None], test_labels.astype(np.int64) - first),
        places=where,
        classes=EMNIST_CLASSES[variant],
        notes=notes,
    )


_Bytes = NDArray[np.uint8]
_Read = tuple[_Bytes, _Bytes, _Bytes, _Bytes, tuple[str, ...]]


def _four(train: str, test: str) -> tuple[str, ...]:
    """Name the files of images and labels."""
    kinds = ("images-idx3", "labels-idx1")
    return tuple(f"{part}-{kind}-ubyte" for part in (train, test) for kind in kinds)


def _dims(name: str) -> int:
    return 3 if "-idx3-" in name else 1


def _read(dataset: str, names: tuple[str, ...], paths: list[Path]) -> _Read:
    """Read files as they are or gzipped, with what is to be known about them."""
    arrays, notes = [], []
    for name, path in zip(names, paths, strict=True):
        n_dims, place = _dims(name), str(path)
        data = contents(path, size=partial(declared_size, n_dims=n_dims, place=place))
        arrays.append(array_of(data, n_dims=n_dims, place=place))
        notes.append(difference(dataset, path, data))
    a, b, c, d = arrays
    return a, b, c, d, tuple(note for note in notes if note)


def _read_archive(archive: Path, names: tuple[str, ...]) -> _Read:
    """Read files out of EMNIST's zip, with what is to be known about it."""
    arrays = []
    for name in names:
        n_dims, place = _dims(name), f"{archive}::{name}"
        data = zip_member(archive, name, size=partial(declared_size, n_dims=n_dims, place=place))
        if data is None:
            raise lie(f"{name} is not in it", place=str(archive))
        arrays.append(array_of(data, n_dims=n_dims, place=place))
    note = difference("emnist", archive)
    a, b, c, d = arrays
    return a, b, c, d, (note,) if note else ()
