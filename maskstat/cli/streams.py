"""Standard streams as a command may find them: closed, full, or without letters for a name."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

__all__ = ["prepare_streams"]


def prepare_streams() -> None:
    """Let talk that nobody can hear be lost, and results that nobody can get be an error."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115
    if sys.stdout is None:
        # Opened for reading: what is written to it fails as it is flushed, and only then.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    fails = ("strict", "surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in fails:
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Talk(sys.stderr.fileno(), "w", closefd=False)),
            encoding=sys.stderr.encoding,
            errors=sys.stderr.errors,
            line_buffering=True,
            write_through=True,
        )


class _Talk(io.FileIO):
    """Standard error: a disk that is full loses a line, and does not end hours of training."""

    def write(self, data: Any, /) -> int:
        """Write it, or else let it go; a reader that has gone is still an error."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError:
            return memoryview(data).nbytes
