"""Archives as a command's result: to a file, or to standard output but never to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from maskstat.archive import to_bytes, write
from maskstat.errors import UsageError
from maskstat.run import Run

__all__ = ["save_runs"]


def save_runs(output: str, runs: Sequence[Run], *, overwrite: bool) -> None:
    """Write an archive to a path, or to standard output for ``-``.

    Raises
    ------
    UsageError
        Standard output is a terminal.
    OutputExistsError
        The file exists and `overwrite` is not set.
    """
    if output != "-":
        write(output, runs, overwrite=overwrite)
        return
    if sys.stdout.isatty():
        raise UsageError(
            "an archive is binary",
            code="binary-to-terminal",
            place="--output",
            consequence="a terminal cannot show it",
            hint="-o masks.h5, or a pipe",
        )
    sys.stdout.buffer.write(to_bytes(runs))
