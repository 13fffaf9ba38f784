"""Every data set by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from maskstat.errors import NotFoundError, UsageError, closest, printable
from maskstat.prune.data.arrays import from_factory, from_npz
from maskstat.prune.data.cifar import cifar
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.digits import DIGITS_VARIANTS, digits
from maskstat.prune.data.download import Progress, download, mirrors
from maskstat.prune.data.mnist import EMNIST_CLASSES, emnist, mnist
from maskstat.prune.data.places import Places
from maskstat.prune.data.sources import SOURCES
from maskstat.prune.data.svhn import svhn
from maskstat.prune.imports import is_path

__all__ = ["DATASETS", "load"]

_LOADERS: Mapping[str, Callable[[Places], Dataset]] = MappingProxyType(
    {
        "mnist": mnist,
        "fashion-mnist": mnist,
        "kmnist": mnist,
        "emnist": emnist,
        **{f"emnist:{variant}": partial(emnist, variant=variant) for variant in EMNIST_CLASSES},
        "cifar10": cifar,
        "cifar100": cifar,
        "svhn": svhn,
    }
)

_EMBEDDED: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {
        "digits": digits,
        **{f"digits:{variant}": partial(digits, variant) for variant in DIGITS_VARIANTS},
    }
)

DATASETS = (*_EMBEDDED, *_LOADERS)
"""Names that `load` knows, besides paths of .npz files and ``package.module:factory``."""


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name
        One of `DATASETS`, the path of an .npz file, or ``package.module:factory``.
    data_dir
        The folder that is searched for its files; by default ``MASKSTAT_DATA``, or
        ``maskstat/data`` in the user's cache folder.
    download
        Whether what is missing is downloaded into it.
    progress
        Told how far a download is.

    Returns
    -------
    Dataset
        Its `notes` say what is to be known about the files.

    Raises
    ------
    UsageError
        There is no such data set.
    NotFoundError
        Its files cannot be found, and nothing says that they may be downloaded.
    InputError
        A file is not what it has to be.
    StorageError
        A download fails, or a file cannot be read or written.

    Examples
    --------
    >>> load("digits").shape
    (1, 8, 8)
    """
    if name in _EMBEDDED:
        return _EMBEDDED[name]()
    if name in _LOADERS:
        places = Places.of(name.partition(":")[0], data_dir)
        try:
            return _LOADERS[name](places)
        except NotFoundError:
            if not download:
                raise
        _complete(places, progress)
        return _LOADERS[name](places)
    if name.endswith(".npz"):
        return from_npz(name, data_dir=data_dir)
    if is_path(name) and name.partition(":")[0] not in ("digits", "emnist"):
        return from_factory(name)
    raise UsageError(
        f"there is no data set '{printable(name)}'",
        code="unknown-dataset",
        place="dataset",
        consequence=closest(name, DATASETS, limit=len(DATASETS)),
        hint="a name of these, the path of an .npz file, or package.module:factory",
    )


def _complete(places: Places, progress: Progress | None) -> None:
    """Download the files of a data set that cannot be found."""
    for source in SOURCES[places.name]:
        bare = source.file.removesuffix(".gz")
        if places.find(source.file if bare.endswith(".tar") else bare) is None:
            urls = mirrors(places.name, source)
            download(source, places.home, urls=urls, progress=progress)
