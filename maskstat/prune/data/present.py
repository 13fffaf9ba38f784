"""Which published data sets are in a folder, told by the names of files alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from maskstat.prune.data.places import Places
from maskstat.prune.data.sources import SOURCES

__all__ = ["WAYS", "present"]

_CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def _idx_names(train: str, test: str) -> tuple[str, ...]:
    return tuple(
        f"{part}-{kind}-ubyte" for part in (train, test) for kind in ("images-idx3", "labels-idx1")
    )


WAYS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        **{name: (_idx_names("train", "t10k"),) for name in ("mnist", "fashion-mnist", "kmnist")},
        "emnist": (
            ("gzip.zip",),
            ("emnist.zip",),
            _idx_names("emnist-balanced-train", "emnist-balanced-test"),
        ),
        "cifar10": (
            ("cifar-10-binary.tar.gz",),
            ("cifar-10-python.tar.gz",),
            tuple(f"{name}.bin" for name in _CIFAR_BATCHES),
            _CIFAR_BATCHES,
        ),
        "cifar100": (
            ("cifar-100-binary.tar.gz",),
            ("cifar-100-python.tar.gz",),
            ("train.bin", "test.bin"),
            ("train", "test"),
        ),
        "svhn": (tuple(source.file for source in SOURCES["svhn"]),),
    }
)
"""Data set to the sets of files that each suffice; any of them may be gzipped."""


def present(
    name: str, data_dir: str | os.PathLike[str] | None = None
) -> Literal["whole", "part", "none"]:
    """Tell whether the files of a data set are there, without opening them.

    Parameters
    ----------
    name
        A published data set, such as ``mnist``.
    data_dir
        The folder that is searched, as `maskstat.prune.data.registry.load` does it.

    Returns
    -------
    str
        ``part`` where some files of a way to store it are there, but not all of any.

    Examples
    --------
    >>> present("mnist", "/nowhere")
    'none'
    """
    places = Places.of(name, data_dir)
    there = [[places.find(file) is not None for file in way] for way in WAYS[name]]
    if any(map(all, there)):
        return "whole"
    return "part" if any(map(any, there)) else "none"
