"""Errors that say where, what, what follows, and what to try.

Every error a user can meet is a `MaskstatError` with a stable `code` (a slug for scripts and for
the documentation) and the exit status that the command line answers with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "ArchiveError",
    "CorruptArchiveError",
    "InputError",
    "LayoutMismatchError",
    "MaskstatError",
    "MissingExtraError",
    "NotFoundError",
    "OutputExistsError",
    "StorageError",
    "TrainingError",
    "UnsafeArchiveError",
    "UnsupportedVersionError",
    "UsageError",
    "closest",
    "printable",
]


def printable(text: str) -> str:
    r"""Escape what a name from a file must not do to a terminal.

    Parameters
    ----------
    text
        Any text, control characters and lone surrogates included.

    Returns
    -------
    str
        The same text with every non-printing character as a backslash escape.

    Examples
    --------
    >>> printable("fc1\x1b[31m")
    'fc1\\x1b[31m'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def closest(name: str, known: Iterable[str], *, limit: int = 8) -> str:
    """Say what there is instead of `name`, the nearest first.

    Parameters
    ----------
    name
        What was asked for.
    known
        What there is.
    limit
        How many names to list at most.

    Returns
    -------
    str
        ``did you mean 'x'? There are: ...``, ready to be an error's consequence.

    Examples
    --------
    >>> closest("fc", ["fc1", "conv1"])
    "did you mean 'fc1'? there are: fc1, conv1"
    """
    from difflib import get_close_matches

    names = [printable(k) for k in known]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    shown = ", ".join(names[:limit]) + (
        f", and {len(names) - limit} more" if len(names) > limit else ""
    )
    listing = f"there are: {shown}" if names else "there are none"
    return f"did you mean '{near[0]}'? {listing}" if near else listing


class MaskstatError(Exception):
    """Something went wrong that the user can understand and mend.

    What it says is `printable`, since names in it may come from a file; its place is as it was
    given, since it may be a path.

    Parameters
    ----------
    fact
        What is the case.
    code
        Stable slug, e.g. ``corrupt-digest``.
    place
        Where: a file, ``file::run@iteration``, an option, a layer.
    consequence
        What follows from it.
    hint
        One thing to try.
    """

    exit_status: ClassVar[int] = 70

    def __init__(
        self, fact: str, *, code: str, place: str = "", consequence: str = "", hint: str = ""
    ) -> None:
        super().__init__(fact)
        self.fact = printable(fact)
        self.code = code
        self.place = place
        self.consequence = printable(consequence)
        self.hint = printable(hint)

    def __reduce__(self) -> tuple[Callable[..., MaskstatError], tuple[Any, ...]]:
        """Keep everything on the way from one process to another."""
        return _again, (type(self), self.fact, self.code, self.place, self.consequence, self.hint)

    @property
    def headline(self) -> str:
        """Place, fact, consequence and slug in one line."""
        place = f"{printable(self.place)}: " if self.place else ""
        consequence = f"; {self.consequence}" if self.consequence else ""
        return f"{place}{self.fact}{consequence} [{self.code}]"

    def __str__(self) -> str:
        return f"{self.headline}\n  try: {self.hint}" if self.hint else self.headline

    def to_dict(self) -> dict[str, str]:
        """Return the error as one JSON-ready record."""
        return {
            "error": self.code,
            "place": printable(self.place),
            "message": self.fact,
            "consequence": self.consequence,
            "try": self.hint,
        }


def _again(
    kind: type[MaskstatError], fact: str, code: str, place: str, consequence: str, hint: str
) -> MaskstatError:
    return kind(fact, code=code, place=place, consequence=consequence, hint=hint)


class UsageError(MaskstatError, ValueError):
    """A parameter or option has a value that cannot be used."""

    exit_status = 2


class InputError(MaskstatError, ValueError):
    """An input is not what it has to be."""

    exit_status = 3


class NotFoundError(InputError):
    """A file, run, iteration or layer that was named does not exist."""


class LayoutMismatchError(InputError):
    """Masks over different layers or shapes were to be compared."""


class ArchiveError(InputError):
    """A file cannot be read as a maskstat archive."""


class UnsafeArchiveError(ArchiveError):
    """A file is built in a way that is refused before any content is read."""


class CorruptArchiveError(ArchiveError):
    """A file's content is not what was written."""


class UnsupportedVersionError(ArchiveError):
    """A file follows a version of the format that this program does not read."""


class StorageError(MaskstatError, OSError):
    """The file system said no: permission, space, a folder that is not there."""

    exit_status = 4


class OutputExistsError(StorageError, FileExistsError):
    """The output is there already, and nothing said that it may be replaced."""


class MissingExtraError(MaskstatError, ImportError):
    """An optional dependency is not installed."""

    exit_status = 4


class TrainingError(MaskstatError, RuntimeError):
    """Training ended without a usable result."""

    exit_status = 5
