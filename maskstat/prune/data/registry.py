"""Every data set by its name."""

from __future__ import annotations

import os
from collections.abc import Callable

from maskstat.errors import UsageError, closest
from maskstat.prune.data.dataset import Dataset
from maskstat.prune.data.digits import digits

__all__ = ["DATASETS", "load"]

DATASETS: dict[str, Callable[[], Dataset]] = {"digits": digits}


def load(
    name: str, *, data_dir: str | os.PathLike[str] | None = None, download: bool = False
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name
        One of `DATASETS`.
    data_dir
        The folder that is searched for its files; the user's cache folder by default.
    download
        Whether what is missing may be downloaded into it.

    Raises
    ------
    UsageError
        There is no such data set.
    """
    if name not in DATASETS:
        raise UsageError(
            f"there is no data set '{name}'",
            code="unknown-dataset",
            place="dataset",
            consequence=closest(name, DATASETS),
        )
    return DATASETS[name]()
