"""Read archives: from guarded datasets to runs whose masks and weights stay in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import Any

from maskstat.archive import digest, layouts, spec
from maskstat.archive.chunks import ChunkedBytes
from maskstat.archive.guard import Guard
from maskstat.archive.run_reader import RunReader
from maskstat.archive.source import HDF5_SIGNATURE, Source, open_source
from maskstat.errors import ArchiveError, CorruptArchiveError, StorageError, printable
from maskstat.layout import Layout
from maskstat.run import Run
from maskstat.table import Cell, html_table

__all__ = ["Archive", "is_archive", "is_hdf5", "open_archive"]


class Archive:
    """An archive that is open for reading.

    A run is guarded and its small parts are loaded when it is first asked for; an archive of few
    runs is guarded whole when it is opened. Runs stay readable after the archive is closed.

    Parameters
    ----------
    source
        The archive's bytes.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._guard = Guard(source)
        self._lock = RLock()
        self._layouts: dict[str, tuple[Layout, str]] = {}
        self._readers: dict[str, RunReader] = {}
        self._refused: dict[str, ArchiveError | StorageError] = {}
        self._digest_checked = False
        try:
            if not self._guard.run_ids:
                raise CorruptArchiveError("it holds no runs", code="no-runs", place=source.place)
            if len(self._guard.run_ids) <= spec.EAGER_RUNS:
                self.guard_all()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """Where it was read from; ``-`` for bytes."""
        return self._source.place

    @property
    def format_version(self) -> str:
        """The version of the format that it follows."""
        return self._guard.version

    @property
    def writer(self) -> str:
        """The program that wrote it."""
        return str(self._guard.attributes["writer"])

    @property
    def runs(self) -> Mapping[str, Run]:
        """The runs by name, each loaded when it is asked for."""
        return _Runs(self, self._guard)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The names of its runs, sorted."""
        return self._guard.run_ids

    @property
    def stated_digest(self) -> str:
        """The content digest as the file states it, not checked."""
        return str(self._guard.attributes["content_digest"])

    @property
    def content_digest(self) -> str:
        """The digest over the runs' names and digests.

        Raises
        ------
        CorruptArchiveError
            The runs have other digests.
        """
        stated = self.stated_digest
        with self._lock:
            if not self._digest_checked:
                found = digest.content_digest((r, self.reader(r).digest) for r in self.run_ids)
                if found != stated:
                    raise CorruptArchiveError(
                        "its runs are not those of its content digest",
                        code="corrupt-digest",
                        place=self.path,
                        consequence="a run was added, left out or changed",
                        hint=f"maskstat verify {self.path}",
                    )
                self._digest_checked = True
        return stated

    def guard_all(self) -> None:
        """Guard every run and layout now, and check the content digest."""
        with self._lock:
            for run_id in self.run_ids:
                self.reader(run_id)
            for layout_id in sorted(self._guard.layout_ids):
                self._layout(layout_id)
            _ = self.content_digest
            self._guard.close()

    def reader(self, run_id: str) -> RunReader:
        """Guard one run and return what reads it.

        Raises
        ------
        NotFoundError
            There is no such run.
        UnsafeArchiveError, CorruptArchiveError
            It is refused.
        StorageError
            It cannot be read, or the archive was closed before.
        """
        with self._lock:
            if run_id not in self._readers:
                if not self._guard.is_open and self._guard.has(run_id):
                    raise StorageError(
                        "the archive is closed", code="closed-archive", place=self.path
                    )
                with self._once(run_id):
                    stored = self._guard.run(run_id)
                    layout, text_digest = self._layout(str(stored.attributes["layout"]))
                    label = f"{self.path}::{run_id}" if len(self.run_ids) > 1 else self.path
                    reader = RunReader(self._source, stored, layout, text_digest, label)
                self._readers[run_id] = reader
            return self._readers[run_id]

    def close(self) -> None:
        """Close the archive; runs that were taken from it stay readable."""
        self._guard.close()
        self._refused.clear()

    @contextmanager
    def _once(self, name: str) -> Iterator[None]:
        """Ask the guard, which meets every object once; what it refused is refused again."""
        if name in self._refused:
            raise self._refused[name]
        try:
            yield
        except (ArchiveError, StorageError) as error:
            self._refused[name] = error
            raise

    def _layout(self, layout_id: str) -> tuple[Layout, str]:
        """Return a layout and the SHA-256 of its text."""
        if layout_id not in self._layouts:
            with self._once(f"layouts/{layout_id}"):
                stored = self._guard.layout(layout_id)
                place = f"{self.path}: {stored.path}"
                text = ChunkedBytes(self._source, stored, place).read_all().tobytes()
                if digest.layout_id(text) != layout_id:
                    raise CorruptArchiveError(
                        "content does not match its name",
                        code="corrupt-digest",
                        place=place,
                        consequence="the file is damaged",
                    )
                layout = layouts.from_text(text, place=place)
            self._layouts[layout_id] = layout, digest.layout_digest(text)
        return self._layouts[layout_id]

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def rows(self) -> list[dict[str, Cell]]:
        """Return one dict a run, as ``pandas.DataFrame`` takes them."""
        return [_row(run) for run in self.runs.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return what the archive is and its `rows`, JSON-ready."""
        return {
            "path": self.path,
            "format_version": self.format_version,
            "writer": self.writer,
            "content_digest": self.stated_digest,
            "rows": self.rows(),
        }

    def _repr_html_(self) -> str:
        """Show the first runs in a notebook; no others are read."""
        return html_table(
            _ROW,
            map(_row, self.runs.values()),
            n_rows=len(self.run_ids),
            numeric=("seed", "replicate", "iterations", "size", "kept", "density"),
            caption=repr(self).strip("<>"),
        )

    def __repr__(self) -> str:
        path = printable(self.path)
        return f"<Archive '{path}': {len(self.run_ids)} runs, format {self.format_version}>"


_ROW = (
    "run", "model", "dataset", "method", "seed", "replicate", "iterations", "size", "kept",
    "density", "status",
)  # fmt: skip


def _row(run: Run) -> dict[str, Cell]:
    """Say of a run what it is, and what it keeps in the end."""
    mask = run.mask()
    values = (
        run.run_id, run.model, run.dataset, run.method, run.seed, run.replicate,
        run.n_iterations - 1, run.layout.size, mask.n_kept, mask.density, run.status,
    )  # fmt: skip
    return dict(zip(_ROW, values, strict=True))


class _Runs(Mapping[str, Run]):
    """The runs of an archive by name, each loaded when it is asked for."""

    def __init__(self, archive: Archive, guard: Guard) -> None:
        self._archive = archive
        self._guard = guard

    def __getitem__(self, run_id: str) -> Run:
        return self._archive.reader(run_id).run

    def get(self, run_id: str, default: Any = None) -> Any:
        return self._archive.reader(run_id).run if run_id in self else default

    def __contains__(self, run_id: object) -> bool:
        return self._guard.has(run_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._guard.run_ids)

    def __len__(self) -> int:
        return len(self._guard.run_ids)


def open_archive(source: str | os.PathLike[str] | bytes) -> Archive:
    """Open an archive for reading.

    Parameters
    ----------
    source
        A path, or an archive's bytes as read from a pipe.

    Returns
    -------
    Archive

    Raises
    ------
    NotFoundError
        There is no such file.
    ArchiveError
        It is no archive, or one that is refused (see the subclasses).
    StorageError
        It cannot be read.
    """
    return Archive(open_source(source))


def is_hdf5(prefix: bytes) -> bool:
    """Tell from its first bytes whether a file is HDF5."""
    return prefix.startswith(HDF5_SIGNATURE)


def is_archive(source: str | os.PathLike[str] | bytes) -> bool:
    """Tell by content whether a file says that it is a maskstat archive of any version.

    Parameters
    ----------
    source
        A path, or all of a file's bytes.

    Returns
    -------
    bool
        True also for one that is damaged behind its first attributes.
    """
    try:
        Guard(open_source(source)).close()
    except ArchiveError as error:
        return error.code not in ("not-an-archive", "empty-file", "not-a-file")
    return True
