"""What is at an output path already, and what follows from it."""

from __future__ import annotations

from pathlib import Path

from maskstat.archive import open_archive
from maskstat.errors import ArchiveError, OutputExistsError
from maskstat.prune.recipe import Recipe
from maskstat.run import Run

__all__ = ["earlier_run"]


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
        runs = list(open_archive(path).runs.values())
    except ArchiveError as error:
        raise _in_the_way(path, f"it is there and cannot be continued: {error.fact}") from error
    if len(runs) != 1:
        raise _in_the_way(path, f"it is there and holds {len(runs)} runs")
    if runs[0].recipe_digest != recipe.digest:
        raise _in_the_way(
            path, f"it holds the run of another recipe: {_difference(runs[0], recipe)}"
        )
    return runs[0]


def _difference(run: Run, recipe: Recipe) -> str:
    """Name the first setting in which a stored recipe differs."""
    stored = run.provenance.get("recipe", {})
    for section, wanted in recipe.to_dict().items():
        there = stored.get(section)
        if there == wanted:
            continue
        if not isinstance(wanted, dict) or not isinstance(there, dict):
            return f"{section} is {there}, not {wanted}"
        for name, value in wanted.items():
            if there.get(name) != value:
                return f"{section}.{name} is {there.get(name)}, not {value}"
    return f"run '{run.run_id}'"


def _in_the_way(path: Path, fact: str) -> OutputExistsError:
    return OutputExistsError(
        fact,
        code="output-exists",
        place=str(path),
        consequence="nothing was changed",
        hint="another --output, or --overwrite to replace it",
    )
