"""Read runs by address, from files or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from maskstat.archive.reader import open_archive
from maskstat.convert.address import Address
from maskstat.errors import NotFoundError, StorageError, UsageError, closest
from maskstat.run import Run

__all__ = ["read", "read_all", "standard_input"]


def read(source: str | os.PathLike[str]) -> Run:
    """Read one run.

    Parameters
    ----------
    source
        A path or an address ``path::run_id``; ``-`` is standard input. Masks and weights are
        read from the file when they are asked for, and checked as they are read.

    Returns
    -------
    Run

    Raises
    ------
    NotFoundError
        There is no such file or run.
    ArchiveError
        The file is no archive, damaged, unsafe, or of another version.
    UsageError
        The file holds several runs and the address names none, or it names an iteration.

    Examples
    --------
    >>> run = read("run.h5")  # doctest: +SKIP
    >>> run.mask(3).density  # doctest: +SKIP
    0.512
    """
    found = read_all([source])
    runs = [run for run, _ in found]
    if found[0][1] is not None:
        raise UsageError(
            f"the address names iteration {found[0][1]}, a run has them all",
            code="iteration-of-run",
            place=os.fspath(source),
            hint=f"maskstat.read(...).mask({found[0][1]})",
        )
    if len(runs) > 1:
        raise UsageError(
            f"the file holds {len(runs)} runs",
            code="several-runs",
            place=os.fspath(source),
            consequence=closest("", [run.run_id for run in runs]),
            hint=f"maskstat.read('{os.fspath(source)}::{runs[0].run_id}'), or read_all",
        )
    return runs[0]


def read_all(sources: Sequence[str | os.PathLike[str]]) -> list[tuple[Run, int | None]]:
    """Read every run of every source, in order, with the iteration that its address names.

    Parameters
    ----------
    sources
        Paths or addresses.

    Returns
    -------
    list of (Run, int or None)

    Raises
    ------
    NotFoundError, ArchiveError
        As `read` does.
    """
    found: list[tuple[Run, int | None]] = []
    stdin: bytes | None = None
    for source in sources:
        address = Address.find(os.fspath(source))
        if address.path == "-":
            stdin = standard_input() if stdin is None else stdin
        archive = open_archive(address.path if address.path != "-" or stdin is None else stdin)
        if address.run_id is None:
            runs = list(archive.runs.values())
        elif address.run_id in archive.runs:
            runs = [archive.runs[address.run_id]]
        else:
            raise NotFoundError(
                f"there is no run '{address.run_id}'",
                code="no-such-run",
                place=address.path,
                consequence=closest(address.run_id, archive.runs),
            )
        for run in runs:
            if address.iteration is not None:
                run.mask(address.iteration)
            found.append((run, address.iteration))
    return found


def standard_input() -> bytes:
    """Return all of standard input.

    Raises
    ------
    StorageError
        It is closed.
    """
    try:
        return sys.stdin.buffer.read()
    except (AttributeError, ValueError, OSError):
        raise StorageError(
            "it cannot be read", code="no-input", place="standard input", hint="cat run.h5 | ..."
        ) from None
