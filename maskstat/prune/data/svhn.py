"""SVHN, format 2: cropped house numbers in MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import IntArray
from maskstat.errors import MaskstatError, printable
from maskstat.prune.data.checks import checked, lie
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.genuine import difference
from maskstat.prune.data.places import Places

__all__ = ["svhn"]

_FILES = ("train_32x32.mat", "test_32x32.mat")
_LARGEST = 1 << 20
"""Images; the larger file has 73,257."""
_NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "double")


def svhn(places: Places) -> Dataset:
    """Load it; its label 10 is the digit 0.

    Raises
    ------
    NotFoundError
        A file is missing.
    InputError
        A file is not what it has to be.
    """
    paths = [path for path in map(places.find, _FILES) if path]
    if len(paths) < len(_FILES):
        raise places.missing(tuple(name for name in _FILES if not places.find(name)))
    train, test = (_part(path) for path in paths)
    notes = [difference("svhn", path) for path in paths]
    return checked(
        name="svhn",
        train=train,
        test=test,
        places=(str(paths[0]), str(paths[1])),
        classes=10,
        notes=tuple(note for note in notes if note),
    )


def _part(path: Path) -> tuple[NDArray[np.uint8], IntArray]:
    """Read the images and labels of one file."""
    from scipy.io import loadmat, whosmat

    place = str(path)
    try:
        declared = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
        _check(declared, place)
        stored = loadmat(path, variable_names=("X", "y"), appendmat=False)
        images, labels = stored["X"], stored["y"]
        shapes = images.shape, labels.shape
    except MaskstatError:
        raise
    except Exception as error:  # scipy raises many kinds on damaged files
        raise lie(
            f"it is no MATLAB file that can be read: {printable(str(error) or repr(error))}",
            place=place,
        ) from None
    if shapes != (declared["X"][0], declared["y"][0]) or images.dtype != np.uint8:
        raise lie("its content is not what its headers say", place=place)
    known = np.isin(labels, range(1, 11))
    if not known.all():
        raise lie(f"there is a label {labels[~known][0]}, and classes are 1 to 10", place=place)
    classes = labels.reshape(-1).astype(np.int64)
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), classes % 10


def _check(declared: dict[str, tuple[tuple[int, ...], str]], place: str) -> None:
    """Look at the headers before anything large is read."""
    for name, dims in (("X", 4), ("y", 2)):
        if name not in declared:
            raise lie(f"it holds no variable {name}", place=place)
        if len(declared[name][0]) != dims:
            raise lie(f"its {name} has the shape {declared[name][0]}", place=place)
    *size, n = declared["X"][0]
    if size != [32, 32, 3] or declared["X"][1] != "uint8" or not 0 < n <= _LARGEST:
        raise lie(
            f"its X is {declared['X'][1]} {declared['X'][0]}, not uint8 (32, 32, 3, n)", place=place
        )
    if declared["y"][1] not in _NUMBERS:
        raise lie(f"its y is {declared['y'][1]}, not numbers", place=place)
    if declared["y"][0] != (n, 1):
        raise lie(f"there are {n:,} images and labels {declared['y'][0]}", place=place)
