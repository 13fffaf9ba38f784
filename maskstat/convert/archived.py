"""Runs from elsewhere into an archive."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

from maskstat.archive import write
from maskstat.convert.out.write import Written
from maskstat.run import Run

__all__ = ["to_archive"]


def to_archive(
    runs: Sequence[Run], output: str | PathLike[str], *, overwrite: bool, notes: tuple[str, ...]
) -> Written:
    """Write runs to an archive, and say what is in it.

    Raises
    ------
    InputError, OutputExistsError, StorageError
        As `maskstat.write` does.
    """
    write(output, runs, overwrite=overwrite)
    last = runs[-1].mask()
    return Written(
        path=fspath(output),
        format="archive",
        iteration=runs[-1].n_iterations - 1,
        n_layers=len(last.layout.layers),
        n_weights=last.layout.size,
        n_kept=last.n_kept,
        weights=", ".join(runs[-1].weights),
        notes=notes,
    )
