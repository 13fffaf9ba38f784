"""Read runs by address, from archives, foreign files or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from maskstat.archive.reader import open_archive
from maskstat.convert.address import Address
from maskstat.errors import (
    ArchiveError,
    NotFoundError,
    StorageError,
    UsageError,
    closest,
    printable,
)
from maskstat.run import Run

__all__ = ["ARCHIVE", "notes_of", "read", "read_all", "standard_input"]

ARCHIVE = "maskstat"
"""The name of our own format, as ``--from`` takes it."""


def read(
    source: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
) -> Run:
    """Read one run.

    Parameters
    ----------
    source
        A path or an address ``path::run_id``; ``-`` is standard input. Masks and weights of an
        archive are read from the file when they are asked for, and checked as they are read;
        those of a foreign file are read now.
    format
        The name of a foreign format; told by the content if left out.
    include, exclude
        Glob over the names of the tensors to read of a foreign file, or several.

    Returns
    -------
    Run

    Raises
    ------
    NotFoundError
        There is no such file or run.
    ArchiveError
        The file is of no known format, damaged, unsafe, or of another version.
    UsageError
        The file holds several runs and the address names none, or it names an iteration; or there
        is no such format.

    Examples
    --------
    >>> run = read("run.h5")  # doctest: +SKIP
    >>> run.mask(3).density  # doctest: +SKIP
    0.512
    >>> read("model.safetensors", format="zeros")  # doctest: +SKIP
    """
    found = read_all([source], format=format, include=include, exclude=exclude)
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


def read_all(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    format: str | None = None,  # noqa: A002
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> list[tuple[Run, int | None]]:
    """Read every run of every source, in order, with the iteration that its address names.

    Parameters
    ----------
    sources
        A path or address, or several.
    format, include, exclude
        As `read` takes them; for all foreign files among the sources.
    tell
        Called with a line for each foreign file of which something was not read.

    Returns
    -------
    list of (Run, int or None)

    Raises
    ------
    NotFoundError, ArchiveError, UsageError
        As `read` does.
    """
    sources = [sources] if isinstance(sources, str | os.PathLike) else sources
    reader = _Reader(format, _globs(include), _globs(exclude))
    found: list[tuple[Run, int | None]] = []
    for source in sources:
        address = Address.find(os.fspath(source))
        for run in reader.runs(address):
            if address.iteration is not None:
                run.mask(address.iteration)
            if tell is not None:
                for note in notes_of(run):
                    tell(note)
            found.append((run, address.iteration))
    return found


def _globs(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def notes_of(run: Run) -> tuple[str, ...]:
    """Say what of a foreign file was not read, and what its reader noted."""
    source = run.provenance.get("source", {})
    if not isinstance(source, dict) or run.digest:
        return ()
    notes = [*source.get("notes", ())]
    number = source.get("n_unmatched", 0)
    if number:
        names = ", ".join(source["unmatched"][:5]) + (", ..." if number > 5 else "")
        what = "1 tensor has" if number == 1 else f"{number:,} tensors have"
        notes.append(f"{what} no mask ({source['format']}): {names}")
    return tuple(f"{printable(run.label)}: {note}" for note in notes)


class _Reader:
    """Reads sources one after another: a foreign file once, masks of all within one budget."""

    def __init__(
        self, known: str | None, include: tuple[str, ...], exclude: tuple[str, ...]
    ) -> None:
        self._format = known
        self._include, self._exclude = include, exclude
        self._stdin: bytes | None = None
        self._foreign_runs: dict[str, Run] = {}
        self._left: int | None = None
        self._also_hdf5 = False
        if known is not None and known != ARCHIVE:
            from maskstat.convert.registry import find_format

            self._also_hdf5 = "hdf5" in find_format(known).kinds

    def runs(self, address: Address) -> list[Run]:
        """Return the runs that an address names."""
        found = self._found(address.path)
        if address.run_id is None:
            return list(found.values())
        if address.run_id not in found:
            raise NotFoundError(
                f"there is no run '{address.run_id}'",
                code="no-such-run",
                place=address.path,
                consequence=closest(address.run_id, found),
            )
        return [found[address.run_id]]

    def _found(self, path: str) -> Mapping[str, Run]:
        """Return a file's runs: an archive's, whatever format foreign files are said to have."""
        if path not in self._foreign_runs:
            content: str | bytes = path
            if path == "-":
                self._stdin = standard_input() if self._stdin is None else self._stdin
                content = self._stdin
            try:
                return open_archive(content).runs
            except ArchiveError as error:
                if not self._may_be_foreign(error, path):
                    raise
            self._foreign_runs[path] = self._foreign(content, path)
        run = self._foreign_runs[path]
        return {run.run_id: run}

    def _may_be_foreign(self, error: ArchiveError, path: str) -> bool:
        """Tell whether what is no archive, for this reason, may hold masks all the same."""
        if self._format == ARCHIVE:
            return False
        if error.code == "not-a-file":
            return os.path.isdir(path)
        return error.code == "not-an-archive" or self._also_hdf5

    def _foreign(self, content: str | bytes, path: str) -> Run:
        from maskstat.convert.assemble import IN_MEMORY, assemble, run_id_of
        from maskstat.convert.probe import Probe
        from maskstat.convert.registry import ReadOptions, detect, find_format

        probe = Probe(content)
        known = detect(probe) if self._format is None else find_format(self._format)
        found = known.read(probe, ReadOptions(include=self._include, exclude=self._exclude))
        left = IN_MEMORY if self._left is None else self._left
        name = os.path.splitext(probe.name)[0] if probe.source else probe.name
        run = assemble(found, run_id_of(name), path, in_memory=left)
        self._left = max(0, left - 8 * run.layout.n_words * (run.n_iterations - 1))
        return run


def standard_input() -> bytes:
    """Return all of standard input.

    Raises
    ------
    StorageError
        It is closed, or has nothing.
    """
    try:
        content = sys.stdin.buffer.read()
    except (AttributeError, ValueError, OSError):
        content = b""
    if not content:
        raise StorageError(
            "it has nothing", code="no-input", place="standard input", hint="cat run.h5 | ..."
        )
    return content
