"""Shelf: where the runs of many trainings are kept, an archive each or one for all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from maskstat.archive import open_archive, write
from maskstat.errors import InputError, OutputExistsError, StorageError, printable
from maskstat.prune.resume import in_the_way
from maskstat.run import Run

__all__ = ["Shelf"]


class Shelf:
    """A folder with an archive for every run, or one archive with all of them.

    Parameters
    ----------
    output
        A path that ends in ``.h5`` is one archive, any other a folder.
    overwrite
        Whether what is there may be replaced: all of an archive, those runs of a folder that are
        made anew.
    """

    def __init__(self, output: str | os.PathLike[str], *, overwrite: bool) -> None:
        self._path = Path(output)
        self._overwrite = overwrite
        self._one = self._path.suffix == ".h5"
        self._files: dict[Path, _File] = {}
        if self._one == self._path.is_dir() and self._path.exists():
            raise StorageError(
                "it is a folder" if self._one else "it is no folder",
                code="not-a-file" if self._one else "not-a-folder",
                place=str(self._path),
                hint="a name that ends in .h5 is one archive, any other a folder of archives",
            )

    def earlier(self, run_id: str, *, digest: str, settings: Mapping[str, Any]) -> Run | None:
        """Return a run that is there and whole.

        Parameters
        ----------
        run_id
            Its name.
        digest, settings
            What it is to come from.

        Returns
        -------
        Run or None
            None where there is none, it failed, or it is to be replaced.

        Raises
        ------
        OutputExistsError
            Something else is there.
        """
        run = self._file(run_id).runs.get(run_id)
        if run is None:
            return None
        if run.recipe_digest != digest:
            fact = f"it holds another run '{run_id}': {_difference(run, settings)}"
            raise in_the_way(self._file(run_id).path, fact)
        return run if run.status == "complete" else None

    def prepare(self) -> None:
        """Make the folder, before a long training.

        Raises
        ------
        StorageError
            It cannot be made or written to.
        """
        folder = Path(os.path.realpath(self._path)).parent if self._one else self._path
        if not self._one:
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                code = "no-such-folder" if not folder.parent.is_dir() else "write-failed"
                reason = error.strerror or str(error)
                raise StorageError(reason, code=code, place=str(self._path)) from error
        if not folder.is_dir():
            raise StorageError(
                "its folder is not there", code="no-such-folder", place=str(self._path)
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StorageError(
                "it may not be written to", code="permission-denied", place=str(self._path)
            )

    def put(self, runs: Iterable[Run]) -> None:
        """Publish runs.

        Raises
        ------
        OutputExistsError
            Something else came there meanwhile.
        StorageError
            The file system does not allow it.
        """
        changed: dict[Path, _File] = {}
        for run in runs:
            file = self._file(run.run_id)
            file.runs[run.run_id] = run
            changed[file.path] = file
        for file in changed.values():
            file.publish()

    def read(self, run_id: str) -> Run:
        """Return a run as it is stored."""
        return self._file(run_id).runs[run_id]

    def _file(self, run_id: str) -> _File:
        path = self._path if self._one else self._path / f"{run_id}.h5"
        if path not in self._files:
            self._files[path] = _File(path, overwrite=self._overwrite)
            if not self._one and set(self._files[path].runs) - {run_id}:
                raise in_the_way(path, "it holds other runs")
        return self._files[path]


class _File:
    """An archive and what this process knows to be in it."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path = path
        self.runs: dict[str, Run] = {}
        self._overwrite = overwrite
        self._known: str | None = None  # content digest of what was read or published last
        if overwrite or not os.path.lexists(path):
            return
        try:
            with open_archive(path) as archive:
                self.runs = dict(archive.runs)
                self._known = archive.content_digest
        except InputError as error:
            fact = f"it is there and cannot be added to: {error.fact}"
            raise in_the_way(path, fact) from error
        if any(run.provenance.get("kind") != "retrain" for run in self.runs.values()):
            raise in_the_way(path, "it is there and holds runs that were not retrained")

    def publish(self) -> None:
        """Write all runs, in place of nothing but what this process knows."""
        replace = self._overwrite if self._known is None else self._is_there_still()
        self._known = write(self.path, list(self.runs.values()), overwrite=replace)
        with open_archive(self.path) as archive:
            self.runs = dict(archive.runs)  # what is stored need not stay in memory

    def _is_there_still(self) -> bool:
        """Return False if nothing is there any more; raise if something else is."""
        if not os.path.lexists(self.path):
            return False
        try:
            with open_archive(self.path) as archive:
                found = archive.stated_digest
        except InputError:
            found = ""
        if found != self._known:
            raise OutputExistsError(
                "another process has written it meanwhile",
                code="output-exists",
                place=str(self.path),
                consequence="it was left as it is, and this command ends here",
                hint="wait until the other is done, or give another --output",
            )
        return True


def _difference(run: Run, settings: Mapping[str, Any]) -> str:
    """Name the first setting in which a stored run differs."""
    stored = dict(_leaves(run.provenance.get("settings", {})))
    for key, value in _leaves(settings):
        if key in stored and stored[key] != value:
            return f"{key} is {printable(str(stored[key]))}, not {value}"
    return "its ticket is another"


def _leaves(tree: object, prefix: str = "") -> Iterable[tuple[str, object]]:
    if not isinstance(tree, Mapping):
        return
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
