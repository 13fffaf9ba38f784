"""Bring archives of earlier minor versions of the format to the current one, into new files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Literal, NamedTuple

from maskstat.archive import spec
from maskstat.archive.reader import open_archive
from maskstat.archive.writer import write
from maskstat.run import Run

__all__ = ["STEPS", "Step", "Upgrade", "is_older", "steps_from", "upgrade"]


class Step(NamedTuple):
    """What changes from one version of the format to the next.

    Parameters
    ----------
    source, target
        The versions.
    change
        Takes a run as it was stored in `source` and returns it as `target` has it.
    """

    source: str
    target: str
    change: Callable[[Run], Run]


STEPS: tuple[Step, ...] = ()
"""Every step there is, in order; 1.0 is the first version."""


class Upgrade(NamedTuple):
    """What was done about one archive.

    Parameters
    ----------
    version
        The format that it has.
    state
        ``current``: nothing to do; ``newer``: of a later minor version, which is read as it is;
        ``upgraded``.
    output
        Where the upgraded archive is; empty where there is none.
    """

    version: str
    state: Literal["current", "newer", "upgraded"]
    output: str = ""


def is_older(version: str) -> bool:
    """Tell whether a version of this major is earlier than the current one.

    Examples
    --------
    >>> is_older("1.0")
    False
    """
    return int(version.partition(".")[2]) < spec.MINOR


def steps_from(version: str) -> list[Step]:
    """Return the steps from a version to the current one, in order."""
    found: list[Step] = []
    for step in STEPS:
        if step.source == version:
            found.append(step)
            version = step.target
    return found


def upgrade(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Upgrade:
    """Write an archive of an earlier version anew in the current one; leave any other alone.

    The source is never changed. Every part of it is checked while it is read, and the output
    before it appears.

    Parameters
    ----------
    source
        The archive.
    output
        Where the upgraded one goes; nothing is written if there is nothing to upgrade.
    overwrite
        Whether a file that is at `output` may be replaced.

    Returns
    -------
    Upgrade

    Raises
    ------
    UnsupportedVersionError
        It has another major version.
    ArchiveError, StorageError
        It cannot be read, or the output not be written.
    """
    with open_archive(source) as archive:
        version = archive.format_version
        if not is_older(version):
            return Upgrade(version, "current" if version == spec.VERSION else "newer")
        runs = [dataclasses.replace(run, digest="") for run in archive.runs.values()]
        for step in steps_from(version):
            runs = [step.change(run) for run in runs]
        write(output, runs, overwrite=overwrite)
        return Upgrade(version, "upgraded", os.fspath(output))
