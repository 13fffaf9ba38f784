"""Manifest: a sweep's folder, and the file ``sweep.json`` in it that says which runs it is to hold.

The archives alone cannot tell which runs are missing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from maskstat import __version__
from maskstat.archive.publish import made_folder, publication
from maskstat.errors import InputError, OutputExistsError, UsageError, printable
from maskstat.prune.grid import Grid
from maskstat.prune.recipe import Recipe
from maskstat.prune.sweep import Job

__all__ = ["MANIFEST", "begin", "jobs_in", "read_grid"]

MANIFEST = "sweep.json"
SCHEMA = "maskstat.sweep/1"

_MOST_BYTES = 1 << 25
"""Room for the names of as many runs as a grid may have, each as long as a file's may be."""


def begin(folder: Path, grid: Grid, *, overwrite: bool) -> list[Job]:
    """Make a sweep's folder, and write down which runs it is to hold.

    Parameters
    ----------
    folder
        Made if it is not there. A sweep that it holds may be extended by runs, or run in part; what
        is written down is the larger one.
    grid
        The runs.
    overwrite
        Whether the grid takes the place of another.

    Returns
    -------
    list of Job
        An archive a run, ``NAME.h5``.

    Raises
    ------
    OutputExistsError
        The folder holds the sweep of another grid.
    StorageError
        It is a file, or the file system does not allow it.
    """
    made_folder(folder)
    jobs = jobs_in(folder, grid)
    try:
        larger = _extends(folder, jobs)
    except OutputExistsError:
        if not overwrite:
            raise
        larger = True
    if larger:
        _write(folder, grid)
    return jobs


def jobs_in(folder: Path, grid: Grid) -> list[Job]:
    """List a grid's runs, with an archive each in a folder."""
    return [
        Job(name=name, recipe=recipe, path=folder / f"{name}.h5")
        for name, recipe in grid.recipes.items()
    ]


def read_grid(folder: Path) -> Grid | None:
    """Read which runs a folder is to hold.

    Parameters
    ----------
    folder
        Of a sweep, or any other.

    Returns
    -------
    Grid or None
        None where nothing says so.

    Raises
    ------
    InputError
        The file that says so is damaged, or of a version that is not known.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", code="unreadable", place=str(path)
        ) from error
    try:
        return _parsed(content)
    except (UsageError, ValueError, TypeError, RecursionError) as error:
        reason = error.fact if isinstance(error, UsageError) else "it is not what was written"
        raise InputError(
            f"does not say which runs are to be here: {reason}",
            code="bad-sweep",
            place=str(path),
            hint="prune writes it anew when the sweep is run with --overwrite",
        ) from error


def _parsed(content: bytes) -> Grid:
    """Take the file apart; anything that is wrong with it is an error."""
    if len(content) > _MOST_BYTES:
        raise ValueError("too long")
    document = json.loads(content)
    match document:
        case {
            "schema": str(schema),
            "digest": str(digest),
            "recipe": dict(base),
            "grid": list(axes),
        }:
            pass
        case _:
            raise ValueError("no sweep")
    if schema != SCHEMA or digest != _digest(base, axes):
        raise ValueError("another version, or changed")
    lists = dict(axes)
    if not all(isinstance(values, list) for values in lists.values()):
        raise TypeError("no lists")
    grid = Grid(base=Recipe.from_mapping(base), axes=lists)
    grid.recipes  # noqa: B018  every combination has to be a recipe
    return grid


def _write(folder: Path, grid: Grid) -> None:
    base, axes = grid.base.to_dict(), [[key, list(values)] for key, values in grid.axes.items()]
    document = {
        "schema": SCHEMA,
        "maskstat": __version__,
        "digest": _digest(base, axes),
        "recipe": base,
        "grid": axes,
        "runs": list(grid.recipes),
    }
    with publication(folder / MANIFEST, overwrite=True) as temporary:
        temporary.write((json.dumps(document, indent=1, sort_keys=True) + "\n").encode())


def _digest(base: dict[str, Any], axes: list[Any]) -> str:
    """SHA-256 of the canonical JSON of what is run, hexadecimal."""
    text = json.dumps(
        {"recipe": base, "grid": axes}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _extends(folder: Path, jobs: list[Job]) -> bool:
    """Tell whether runs are added to those of a folder; raise if others are left out as well."""
    try:
        grid = read_grid(folder)
    except InputError as error:
        raise _another(folder, f"its {MANIFEST} {error.fact}") from error
    if grid is None:
        return True
    there, wanted = grid.recipes, {job.name: job.recipe for job in jobs}
    for name in there.keys() & wanted.keys():
        if there[name] != wanted[name]:
            new, old = wanted[name].settings, there[name].settings
            key = next(key for key in new if new[key] != old[key])
            was = printable(str(old[key]))
            fact = f"it holds another sweep: {key} of {name} is {was}, not {new[key]}"
            raise _another(folder, fact)
    absent, added = there.keys() - wanted.keys(), wanted.keys() - there.keys()
    if absent and added:
        fact = f"it holds another sweep: with {min(absent)}, without {min(added)}"
        raise _another(folder, fact)
    return bool(added)


def _another(folder: Path, fact: str) -> OutputExistsError:
    return OutputExistsError(
        fact,
        code="output-exists",
        place=str(folder),
        consequence="a sweep may be extended, or run in part; nothing was changed",
        hint="another --output, or --overwrite to put this sweep in its place",
    )
