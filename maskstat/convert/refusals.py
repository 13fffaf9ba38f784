"""The two errors that a bad foreign file ends in: built to harm, and damaged."""

from __future__ import annotations

from maskstat.errors import CorruptArchiveError, UnsafeArchiveError, printable

__all__ = ["damaged", "unsafe"]


def unsafe(fact: str, code: str, place: str, *, hint: str = "") -> UnsafeArchiveError:
    """Build the error for a file that is refused before its content is read."""
    return UnsafeArchiveError(
        printable(fact),
        code=code,
        place=place,
        consequence="the file is refused; nothing of this was read",
        hint=hint,
    )


def damaged(fact: str, code: str, place: str) -> CorruptArchiveError:
    """Build the error for a file whose parts do not fit each other."""
    return CorruptArchiveError(
        printable(fact), code=code, place=place, consequence="the file is damaged"
    )
