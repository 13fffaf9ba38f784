"""What is at an output path already, and what follows from it."""

from __future__ import annotations

import os
from pathlib import Path

from maskstat.archive import open_archive
from maskstat.errors import InputError, OutputExistsError, StorageError, UsageError
from maskstat.prune.recipe import Recipe
from maskstat.run import Run

__all__ = ["earlier_run", "require_folder"]


def earlier_run(path: Path, recipe: Recipe) -> Run | None:
    """Return the run of a recipe that a file holds, whole or not.

    Parameters
    ----------
    path
        Where the run is to be.
    recipe
        What is to be run.

    Returns
    -------
    Run or None
        None where nothing is there.

    Raises
    ------
    OutputExistsError
        Something else is there.
    """
    if not path.exists():
        return None
    try:
        with open_archive(path) as archive:
            n_runs = len(archive.runs)
            run = next(iter(archive.runs.values())) if n_runs == 1 else None
    except InputError as error:
        raise _in_the_way(path, f"it is there and cannot be continued: {error.fact}") from error
    if run is None:
        raise _in_the_way(path, f"it is there and holds {n_runs} runs")
    if run.recipe_digest != recipe.digest:
        raise _in_the_way(path, f"it holds the run of another recipe: {_difference(run, recipe)}")
    return run


def require_folder(path: Path) -> None:
    """Raise before a long training if its result could not be written.

    Raises
    ------
    StorageError
        The folder is not there, or may not be written to.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise StorageError("its folder is not there", code="no-such-folder", place=str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError(
            "its folder may not be written to", code="permission-denied", place=str(path)
        )


def _difference(run: Run, recipe: Recipe) -> str:
    """Name the first setting in which a stored recipe differs."""
    tree = run.provenance.get("recipe")
    try:
        stored = Recipe.from_mapping(tree).settings if isinstance(tree, dict) else {}
    except UsageError:  # of a version with other settings
        stored = {}
    for key, value in recipe.settings.items():
        if key in stored and stored[key] != value:
            return f"{key} is {stored[key]}, not {value}"
    return f"run '{run.run_id}' was not made by one that is known here"


def _in_the_way(path: Path, fact: str) -> OutputExistsError:
    return OutputExistsError(
        fact,
        code="output-exists",
        place=str(path),
        consequence="nothing was changed",
        hint="another --output, or --overwrite to replace it",
    )
