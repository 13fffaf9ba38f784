"""What is at an output path already, and what follows from it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from maskstat.archive import open_archive, write
from maskstat.errors import InputError, OutputExistsError, StorageError, UsageError, printable
from maskstat.prune.imports import has_changed
from maskstat.prune.progress import Progress
from maskstat.prune.recipe import Recipe
from maskstat.run import Run

__all__ = ["Target", "in_the_way", "skip_note"]


class Target:
    """An output path, and what this process knows to be there.

    Parameters
    ----------
    path
        Where the run is to be.
    overwrite
        Whether what is there may be replaced.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool) -> None:
        self.path = Path(path)
        self._overwrite = overwrite
        self._known: str | None = None  # content digest of what was read or published last

    def _require_file(self) -> None:
        """Raise if what is there is no file."""
        try:
            mode = os.lstat(os.path.realpath(self.path)).st_mode
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return  # nothing is there, or `_require_folder` says why it cannot be seen
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(reason, code="write-failed", place=str(self.path)) from error
        if not stat.S_ISREG(mode):
            raise StorageError(
                "it is a folder or a device",
                code="not-a-file",
                place=str(self.path),
                hint="name a file",
            )

    def _require_folder(self) -> None:
        """Raise before a long training if its result could not be written."""
        folder, place = os.path.dirname(os.path.realpath(self.path)), str(self.path)
        if not os.path.isdir(folder):
            raise StorageError("its folder is not there", code="no-such-folder", place=place)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StorageError(
                "its folder may not be written to", code="permission-denied", place=place
            )

    def earlier_run(self, recipe: Recipe, *, progress: Progress) -> Run | None:
        """Return the run of a recipe that is there, whole or not.

        Parameters
        ----------
        recipe
            What is to be run.
        progress
            Told what is found.

        Returns
        -------
        Run or None
            None where nothing is there, or it is to be replaced.

        Raises
        ------
        OutputExistsError
            Something else is there.
        StorageError
            It is no file, or its folder is not there or may not be written to.
        """
        self._require_file()
        earlier = self._found(recipe)
        if earlier is not None and earlier.status == "complete":
            progress.note(skip_note(self.path, earlier))
            return earlier
        if earlier is not None:
            progress.note(f"continued: {self.path} is {earlier.status}")
        self._require_folder()
        return earlier

    def _found(self, recipe: Recipe) -> Run | None:
        """Return the recipe's run; raise if something else is there."""
        path = self.path
        if self._overwrite or not os.path.lexists(path):
            return None
        try:
            with open_archive(path) as archive:
                n_runs, self._known = len(archive.runs), archive.content_digest
                run = next(iter(archive.runs.values())) if n_runs == 1 else None
        except InputError as error:
            fact = f"it is there and cannot be continued: {error.fact}"
            raise in_the_way(path, fact) from error
        if run is None:
            raise in_the_way(path, f"it is there and holds {n_runs} runs")
        if run.recipe_digest != recipe.digest:
            raise in_the_way(
                path, f"it holds the run of another recipe: {_difference(run, recipe)}"
            )
        return run

    def publish(self, run: Run) -> None:
        """Put a run there, in place of nothing but what this process knows.

        Raises
        ------
        OutputExistsError
            Something else is there.
        StorageError
            The file system does not allow it.
        """
        self._known = write(
            self.path,
            [run],
            overwrite=self._overwrite and self._known is None,
            replaces=self._known,
        )


def skip_note(path: Path, run: Run) -> str:
    """Say that a run is complete, and if it is known that its own code has changed since."""
    parts = [run.provenance.get(name) for name in ("model", "dataset", "method")]
    code = [part["code"] for part in parts if isinstance(part, dict) and "code" in part]
    changed = [printable(str(origin.get("import"))) for origin in code if has_changed(origin)]
    text = f"skipped: {path} is complete"
    if changed:
        text += f", though the code of {' and '.join(changed)} has changed since (--overwrite)"
    return text


def _difference(run: Run, recipe: Recipe) -> str:
    """Name the first setting in which a stored recipe differs."""
    tree = run.provenance.get("recipe")
    try:
        stored = Recipe.from_mapping(tree).settings if isinstance(tree, dict) else {}
    except UsageError:  # of a version with other settings
        stored = {}
    for key, value in recipe.settings.items():
        if key in stored and stored[key] != value:
            return f"{key} is {printable(str(stored[key]))}, not {value}"
    return f"run '{run.run_id}' was not made by one that is known here"


def in_the_way(path: Path, fact: str) -> OutputExistsError:
    """Make the error for what is at an output already."""
    return OutputExistsError(
        fact,
        code="output-exists",
        place=str(path),
        consequence="nothing was changed",
        hint="another --output, or --overwrite to replace it",
    )
