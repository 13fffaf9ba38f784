"""Grid: the runs of a sweep, a recipe for each combination of the values that differ."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Self

from maskstat.errors import UsageError, printable
from maskstat.prune.recipe import Recipe, key_of
from maskstat.prune.recipe_files import read_toml

__all__ = ["Grid"]

_MOST_RUNS = 100_000
_IN_RUN_ID = ("model", "dataset", "prune.method", "random.seed", "random.replicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A recipe, and lists of values for some of its settings.

    Parameters
    ----------
    base
        What all runs have in common.
    axes
        Dotted name of a setting to its values; the last one changes fastest.

    Examples
    --------
    >>> grid = Grid(base=Recipe(vary=("order",)), axes={"random.seed": [0, 1]})
    >>> list(grid.recipes)
    ['lenet-digits-global-unstructured-s0-r0', 'lenet-digits-global-unstructured-s1-r0']
    """

    base: Recipe
    axes: Mapping[str, Sequence[Any]]

    @classmethod
    def from_toml(cls, path: str | Path, *, settings: Iterable[str] = ()) -> Self:
        """Read a recipe file; its table ``[grid]`` holds the lists.

        With lists it is a sweep, and ``train.engine`` is ``auto`` unless the file says otherwise.

        Parameters
        ----------
        path
            The file.
        settings
            Changes to what all runs have in common, ``name=value``.

        Raises
        ------
        NotFoundError, InputError, UsageError
            As `Recipe.from_toml`; or the grid holds something else than lists.
        """
        tree = read_toml(path)
        table = tree.pop("grid", {})
        if not isinstance(table, Mapping):
            raise _bad_axis("it is no table", str(path), "")
        axes: dict[str, Any] = {}
        for key, values in _axes(table, str(path)):
            if key in axes:
                raise _bad_axis(f"'{printable(key)}' is there twice", str(path), key)
            axes[key] = values
        base = Recipe.from_mapping(tree, place=str(path))
        if axes and "engine" not in tree.get("train", {}):
            base = base.replace(engine="auto")
        grid = cls(base=base.with_settings(settings), axes=axes)
        _require_one_schedule(tree.get("prune", {}), base, axes, str(path))
        grid.recipes  # noqa: B018  every combination has to be a recipe
        return grid

    def replace(self, **changes: Any) -> Self:
        """Change settings by their Python names, those that have lists included.

        Raises
        ------
        UsageError
            A name that is not a setting's, or a value that cannot be used.
        """
        base = self.base.replace(**changes)
        given = {key_of(name) for name in changes}
        axes = {key: values for key, values in self.axes.items() if key not in given}
        return replace(self, base=base, axes=axes)

    @property
    def recipes(self) -> dict[str, Recipe]:
        """The runs' recipes by name, in order.

        Raises
        ------
        UsageError
            A combination cannot be used, two are the same, or there are too many.
        """
        if (n_runs := prod(map(len, self.axes.values()))) > _MOST_RUNS:
            raise UsageError(
                f"it makes {n_runs:,} runs",
                code="bad-grid",
                place="grid",
                consequence=f"a sweep has {_MOST_RUNS:,} at most",
                hint="several sweeps, each into a folder of its own",
            )
        found: dict[str, Recipe] = {}
        for values in itertools.product(*self.axes.values()):
            point = dict(zip(self.axes, values, strict=True))
            recipe = self.base.with_values(point)
            extra = [
                f"-{key.rpartition('.')[2]}={_text(value)}"
                for key, value in point.items()
                if key not in _IN_RUN_ID
            ]
            name = recipe.run_id + re.sub(r"[^A-Za-z0-9._=,+-]+", "-", "".join(extra))
            if name in found:
                raise _bad_axis(f"two runs are called '{name}'", "grid", "")
            found[name] = recipe
        return found


def _require_one_schedule(
    given: Mapping[str, Any], base: Recipe, axes: Mapping[str, Any], path: str
) -> None:
    """Raise if a file says in two ways how much is pruned; a resolved recipe repeats itself."""
    repeated = {"iterations": len(base.levels), "fraction": Recipe().fraction}
    also = [
        f"prune.{name}"
        for name, value in repeated.items()
        if f"prune.{name}" in axes or given.get(name, value) != value
    ]
    if also and all(axes.get("prune.levels", [base.levels])):
        raise UsageError(
            f"prune.levels is given beside {' and '.join(also)}",
            code="conflicting-options",
            place=path,
            consequence="levels say both how often and how much is pruned",
        )


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _axes(table: Mapping[str, Any], path: str, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Flatten nested tables to dotted names, each with its list."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _axes(value, path, f"{key}.")
        elif isinstance(value, list) and value:
            yield key, value
        else:
            raise _bad_axis(f"'{printable(key)}' has no list of values", path, key)


def _bad_axis(fact: str, place: str, key: str) -> UsageError:
    return UsageError(
        fact,
        code="bad-grid",
        place=place,
        consequence="a grid gives each of its settings a list of different values",
        hint=f"[grid] {key or 'random.seed'} = [...]",
    )
