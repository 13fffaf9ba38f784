"""Masks from and to any format that they come in; `maskstat.convert` is this package's function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from os import PathLike, fspath
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstat.convert.out.write import Written

__all__ = ["convert"]

_ARCHIVE_SUFFIXES = (".h5", ".hdf5")


def convert(
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    to: str | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    checkpoint: str | PathLike[str] | None = None,
    overwrite: bool = False,
) -> Written:
    """Read masks in whatever format they are, and write them in another.

    Parameters
    ----------
    source
        A path or an address: an archive, a foreign file or a folder, told apart by content.
    output
        The file to write, or the folder where zeros are put into a sharded checkpoint; it appears
        whole or not at all.
    format
        The source's format, where its content does not tell: ``zeros`` takes the exact zeros of a
        dense checkpoint for pruned.
    to
        The output's format; ``archive`` holds every run and iteration, the others the mask of one
        iteration, the address's or the last.
    include, exclude
        Globs over the names of the tensors to read of a foreign source.
    checkpoint
        A file with the weights to put the mask on, for formats that have weights; by default the
        run's own.
    overwrite
        Whether a file that is there may be replaced.

    Returns
    -------
    Written
        What was written, as counts, and notes: what was not read or not known.

    Raises
    ------
    InputError, UsageError, StorageError
        As `maskstat.read` and `maskstat.write` do; or the output's format is not said.

    Examples
    --------
    >>> import maskstat
    >>> maskstat.convert("model.safetensors", "mask.h5", format="zeros")  # doctest: +SKIP
    """
    from maskstat.convert.archived import to_archive
    from maskstat.convert.out.write import write_foreign
    from maskstat.convert.read import notes_of, read_all
    from maskstat.errors import UsageError

    if to is None and not fspath(output).endswith(_ARCHIVE_SUFFIXES):
        raise UsageError(
            "it does not say in which format to write",
            code="no-format",
            place=fspath(output),
            consequence="only .h5 says it: an archive",
            hint="--to archive, --to safetensors, --to torch-prune, ...",
        )
    found = read_all([source], format=format, include=include, exclude=exclude)
    notes = tuple(note for run, _ in found for note in notes_of(run))
    if to in (None, "archive"):
        _check_whole(found[0][1], checkpoint, source)
        return to_archive([run for run, _ in found], output, overwrite=overwrite, notes=notes)
    if len(found) > 1:
        raise UsageError(
            f"it holds {len(found)} runs",
            code="several-runs",
            place=fspath(source),
            consequence=f"{to} holds one mask",
            hint=f"{fspath(source)}::{found[0][0].run_id}",
        )
    run, iteration = found[0]
    return write_foreign(
        run,
        -1 if iteration is None else iteration,
        output,
        format=to,
        overwrite=overwrite,
        checkpoint=checkpoint,
        notes=notes,
    )


def _check_whole(
    iteration: int | None, checkpoint: str | PathLike[str] | None, source: str | PathLike[str]
) -> None:
    """Refuse to leave out what was asked for: an archive holds runs as they are."""
    from maskstat.errors import UsageError

    if iteration is not None:
        raise UsageError(
            f"the address names iteration {iteration}, and an archive holds them all",
            code="iteration-of-run",
            place=fspath(source),
            hint=f"leave out @{iteration}, or --to npz and the like for one mask",
        )
    if checkpoint is not None:
        raise UsageError(
            "an archive holds the run's own weights",
            code="no-use-for-checkpoint",
            place="--checkpoint",
            hint="leave it out, or --to zeros",
        )


class _Callable(ModuleType):
    """`maskstat.convert` is this package and, as the public name, its function."""

    def __call__(
        self,
        source: str | PathLike[str],
        output: str | PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        to: str | None = None,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        checkpoint: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> Written:
        return convert(
            source,
            output,
            format=format,
            to=to,
            include=include,
            exclude=exclude,
            checkpoint=checkpoint,
            overwrite=overwrite,
        )


sys.modules[__name__].__class__ = _Callable
