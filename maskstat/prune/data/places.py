"""Where a data set's files are looked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from maskstat.errors import NotFoundError, StorageError
from maskstat.prune.data.sources import SOURCES

__all__ = ["Places", "default_data_dir"]

_LAYOUTS = {
    "mnist": ("MNIST/raw",),
    "fashion-mnist": ("FashionMNIST/raw",),
    "kmnist": ("KMNIST/raw",),
    "emnist": ("EMNIST/raw", "gzip", "emnist/gzip", "EMNIST/raw/gzip"),
    "cifar10": (
        "cifar-10-batches-bin",
        "cifar10/cifar-10-batches-bin",
        "cifar-10-batches-py",
        "cifar10/cifar-10-batches-py",
    ),
    "cifar100": (
        "cifar-100-binary",
        "cifar100/cifar-100-binary",
        "cifar-100-python",
        "cifar100/cifar-100-python",
    ),
}
"""Folders that torchvision and the published archives leave."""


def default_data_dir() -> Path:
    """Return ``MASKSTAT_DATA``, or ``maskstat/data`` in the user's cache folder.

    Raises
    ------
    StorageError
        There is neither: the user has no home.
    """
    if named := os.environ.get("MASKSTAT_DATA"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(cache) if cache else Path.home() / ".cache") / "maskstat" / "data"
    except RuntimeError:
        raise StorageError(
            "the user of this process has no home folder",
            code="no-such-folder",
            place="data folder",
            consequence="it is not known where data sets are looked for",
            hint="--data-dir DIR, or the variable MASKSTAT_DATA",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders that may hold a data set's files.

    Parameters
    ----------
    name
        The data set.
    data_dir
        The folder that the user named.
    """

    name: str
    data_dir: Path

    @classmethod
    def of(cls, name: str, data_dir: str | os.PathLike[str] | None) -> Places:
        """Take a folder, by default the user's cache folder."""
        return cls(name=name, data_dir=Path(data_dir) if data_dir else default_data_dir())

    @property
    def home(self) -> Path:
        """Where downloads go."""
        return self.data_dir / self.name

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where files are looked for, in this order."""
        layouts = (self.data_dir / folder for folder in _LAYOUTS.get(self.name, ()))
        return (self.home, *layouts, self.data_dir)

    def find(self, *names: str) -> Path | None:
        """Return the first file that has one of some names, each as it is or gzipped."""
        for folder in self.folders:
            for name in names:
                for path in (folder / name, folder / f"{name}.gz"):
                    if path.is_file():
                        return path
        return None

    def missing(self, names: tuple[str, ...]) -> NotFoundError:
        """Make the error for files that are in none of the folders."""
        rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
        sources = SOURCES[self.name]
        absent = [source for source in sources if source.file.removesuffix(".gz") in names]
        first, *others = absent or sources
        offered = f"{first.folders[0]}{first.file}" + (" and its neighbours" if others else "")
        there = [str(folder) for folder in self.folders if folder.is_dir()]
        looked = f"looked in {', '.join(there)}" if there else "there is no such folder"
        return NotFoundError(
            f"{names[0]}{rest} of {self.name} cannot be found",
            code="no-data-files",
            place=str(self.data_dir),
            consequence=looked,
            hint="--download, or --data-dir with a folder that holds the files; without internet, "
            f"carry {offered} over from a machine that has it",
        )
