"""Recipe files: those that come with the package, by their names, and a user's own."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from maskstat.errors import InputError, NotFoundError, UsageError, closest, printable

__all__ = ["read_toml", "recipe_file", "recipe_names"]


def recipe_names() -> tuple[str, ...]:
    """Return the names of all shipped recipes.

    Examples
    --------
    >>> recipe_names()[:2]
    ('finetune', 'late-resetting')
    """
    found = [Path(one.name) for one in files(__package__).joinpath("recipes").iterdir()]
    return tuple(sorted(path.stem for path in found if path.suffix == ".toml"))


@contextmanager
def recipe_file(name: str) -> Iterator[Path]:
    """Give the file of a recipe, shipped or a user's own, for as long as it is read.

    Parameters
    ----------
    name
        A path, where it ends in ``.toml``, has a separator in it, or is that of a file; else one
        of `recipe_names`, which outranks a file of the same name.

    Raises
    ------
    UsageError
        There is no such recipe.
    """
    names = recipe_names()
    if name in names:
        with as_file(files(__package__).joinpath("recipes", f"{name}.toml")) as path:
            yield path
        return
    is_path = name.endswith(".toml") or os.sep in name or Path(name).is_file()
    if not is_path:
        raise UsageError(
            f"there is no recipe '{printable(name)}'",
            code="unknown-recipe",
            place="--recipe",
            consequence=closest(name, names, limit=len(names)),
            hint="a name of these, or the path of a FILE.toml; the sweeps of a paper: "
            "maskstat reproduce PAPER",
        )
    yield Path(name)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    NotFoundError, InputError
        The file is not there, or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError("there is no such file", code="no-such-file", place=str(path)) from None
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", code="unreadable", place=str(path)
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no TOML: {error}", code="bad-recipe", place=str(path)) from error
