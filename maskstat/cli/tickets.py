"""Archives as a command's result: to a file, or to standard output but never to a terminal."""

from __future__ import annotations

import sys

from maskstat.archive import to_bytes, write
from maskstat.errors import UsageError
from maskstat.run import Run

__all__ = ["save_run"]


def save_run(output: str, run: Run, *, overwrite: bool) -> None:
    """Write a run's archive to a path, or to standard output for ``-``.

    Raises
    ------
    UsageError
        Standard output is a terminal.
    OutputExistsError
        The file exists and `overwrite` is not set.
    """
    if output != "-":
        write(output, [run], overwrite=overwrite)
        return
    if sys.stdout.isatty():
        raise UsageError(
            "an archive is binary",
            code="binary-to-terminal",
            place="--output",
            consequence="a terminal cannot show it",
            hint="-o ticket.h5, or a pipe",
        )
    sys.stdout.buffer.write(to_bytes([run]))
