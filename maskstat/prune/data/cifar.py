"""CIFAR-10 and CIFAR-100: the binary version, and the Python version without unpickling code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import IntArray
from maskstat.prune.data.checks import checked, lie
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.genuine import difference
from maskstat.prune.data.packed import contents, tar_members
from maskstat.prune.data.pickled import unpickled
from maskstat.prune.data.places import Places

__all__ = ["cifar"]

_SHAPE = (3, 32, 32)
_PIXELS = 3072
_LIMIT = 1 << 29
"""Bytes of a file; the largest, training images of CIFAR-100 with their names, has 155 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """How a set is stored: an archive of files, the test file last."""

    archive: str
    files: tuple[str, ...]
    binary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """One of the two sets; a record of its binary version ends in the label and the image."""

    classes: int
    label_bytes: int
    label_key: str
    versions: tuple[_Version, ...]


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_SETS: Mapping[str, _Set] = {
    "cifar10": _Set(
        classes=10,
        label_bytes=1,
        label_key="labels",
        versions=(
            _Version(
                archive="cifar-10-binary.tar.gz",
                files=tuple(f"{name}.bin" for name in (*_BATCHES, "test_batch")),
                binary=True,
            ),
            _Version(
                archive="cifar-10-python.tar.gz", files=(*_BATCHES, "test_batch"), binary=False
            ),
        ),
    ),
    "cifar100": _Set(
        classes=100,
        label_bytes=2,  # the coarse class, then the fine one
        label_key="fine_labels",
        versions=(
            _Version(
                archive="cifar-100-binary.tar.gz", files=("train.bin", "test.bin"), binary=True
            ),
            _Version(archive="cifar-100-python.tar.gz", files=("train", "test"), binary=False),
        ),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Files of one version, name to place and content, with what is to be known about them."""

    version: _Version
    files: Mapping[str, tuple[str, bytes]]
    notes: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether there are test images and any training images."""
        return self.version.files[-1] in self.files and len(self.files) > 1


def cifar(places: Places) -> Dataset:
    """Load CIFAR-10 or CIFAR-100, whichever the places are of.

    The binary version goes before the Python version, and unpacked files before the archive.
    Batches of training images may be missing, which is noted.

    Raises
    ------
    NotFoundError
        Its files are missing.
    InputError
        A file is not what it has to be.
    """
    known = _SETS[places.name]
    found = _find(places, known)
    if found is None:
        raise places.missing((known.versions[0].archive,))
    *_, test_name = found.version.files
    parts = {
        name: _part(known, found.version, place, data)
        for name, (place, data) in found.files.items()
    }
    train = [parts[name] for name in found.version.files[:-1] if name in parts]
    gone = [name for name in found.version.files if name not in parts]
    notes = list(found.notes)
    if gone:
        n = sum(len(labels) for _, labels in train)
        notes.append(f"{', '.join(gone)} of {places.name} are missing: {n:,} training images")
    first = next(iter(found.files.values()))[0]
    return checked(
        name=places.name,
        train=(
            np.concatenate([images for images, _ in train]),
            np.concatenate([labels for _, labels in train]),
        ),
        test=parts[test_name],
        places=(first, found.files[test_name][0]),
        classes=known.classes,
        notes=tuple(notes),
    )


def _find(places: Places, known: _Set) -> _Found | None:
    """Read the first version that is there."""
    for version in known.versions:
        for found in (_unpacked(places, version), _archived(places, version)):
            if found and found.usable:
                return found
    return None


def _unpacked(places: Places, version: _Version) -> _Found | None:
    """Read the files of a version."""
    paths = {name: path for name in version.files if (path := places.find(name))}
    if version.files[-1] not in paths or len(paths) < 2:
        return None
    files = {
        name: (str(path), contents(path, size=lambda _: _LIMIT)) for name, path in paths.items()
    }
    notes = [difference(places.name, path) for path in paths.values()]
    return _Found(version=version, files=files, notes=tuple(note for note in notes if note))


def _archived(places: Places, version: _Version) -> _Found | None:
    """Read a version's files out of its archive."""
    archive = places.find(version.archive)
    if archive is None:
        return None
    files = tar_members(archive, wanted=version.files, limit=_LIMIT)
    if len(files) < len(version.files):
        gone = next(name for name in version.files if name not in files)
        raise lie(f"{gone} is not in it", place=str(archive))
    note = difference(places.name, archive)
    ordered = {name: files[name] for name in version.files}
    return _Found(version=version, files=ordered, notes=(note,) if note else ())


def _part(
    known: _Set, version: _Version, place: str, data: bytes
) -> tuple[NDArray[np.uint8], IntArray]:
    """Return the images and labels in a file."""
    if version.binary:
        return _records(data, known.label_bytes, place)
    return _pickled(unpickled(data, place=place), known.label_key, place)


def _records(data: bytes, label_bytes: int, place: str) -> tuple[NDArray[np.uint8], IntArray]:
    """Read records of labels and an image."""
    size = label_bytes + _PIXELS
    if not data or len(data) % size:
        raise lie(f"it has {len(data):,} bytes, no whole number of {size:,}", place=place)
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    images = records[:, label_bytes:].reshape(-1, *_SHAPE)
    return images, records[:, label_bytes - 1].astype(np.int64)


def _pickled(
    stored: Mapping[Any, Any], label_key: str, place: str
) -> tuple[NDArray[np.uint8], IntArray]:
    """Take images and labels out of a batch of the Python version."""
    batch = {k.decode("latin-1") if isinstance(k, bytes) else k: v for k, v in stored.items()}
    images, labels = batch.get("data"), batch.get(label_key)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise lie("it has no array 'data' of unsigned bytes", place=place)
    if images.ndim != 2 or images.shape[1] != _PIXELS:
        raise lie(f"its images are {images.shape}, not (n, {_PIXELS})", place=place)
    if not isinstance(labels, list) or not all(type(x) is int and 0 <= x < 256 for x in labels):
        raise lie(f"it has no list '{label_key}' of classes", place=place)
    return images.reshape(-1, *_SHAPE), np.array(labels, np.int64)
