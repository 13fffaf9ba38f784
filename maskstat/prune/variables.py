"""Variables: settings of recipes from the environment, ``MASKSTAT_TRAIN_LR`` for ``train.lr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from maskstat.errors import UsageError
from maskstat.prune.recipe import SETTINGS

__all__ = ["OTHERS", "Variables", "read_variables", "variable_of"]

PREFIX = "MASKSTAT_"

OTHERS = ("MASKSTAT_DATA", "MASKSTAT_MIRROR", "MASKSTAT_DEVICE")
"""Variables that are no settings of recipes: the data folder, where data sets are downloaded from,
and what is trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What the environment says.

    Parameters
    ----------
    settings
        Values by the settings' Python names, in the order of a recipe.
    unknown
        Names that stand for nothing, each with the nearest that does, or None.
    """

    settings: Mapping[str, Any]
    unknown: Mapping[str, str | None]


def variable_of(name: str) -> str:
    """Return the variable that sets a setting, from its Python name.

    Examples
    --------
    >>> variable_of("lr"), variable_of("dataset"), variable_of("keep_output")
    ('MASKSTAT_TRAIN_LR', 'MASKSTAT_DATASET', 'MASKSTAT_PRUNE_KEEP_OUTPUT')
    """
    return PREFIX + SETTINGS[name].key.replace(".", "_").upper()


def read_variables(environ: Mapping[str, str]) -> Variables:
    """Read every variable whose name begins with ``MASKSTAT_``; an empty one is not there.

    Parameters
    ----------
    environ
        As `os.environ`.

    Raises
    ------
    UsageError
        A value that its setting does not take.

    Examples
    --------
    >>> found = read_variables({"MASKSTAT_TRAIN_LR": "0.05", "MASKSTAT_TRIAN_LR": "1"})
    >>> found.settings, found.unknown
    ({'lr': 0.05}, {'MASKSTAT_TRIAN_LR': 'MASKSTAT_TRAIN_LR'})
    """
    names = {variable_of(name): name for name in SETTINGS}
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX) and text}
    known = [*names, *OTHERS]
    return Variables(
        settings={name: _value(v, name, given[v]) for v, name in names.items() if v in given},
        unknown={name: _nearest(name, known) for name in sorted(given.keys() - set(known))},
    )


def _value(variable: str, name: str, text: str) -> object:
    kind = SETTINGS[name]
    try:
        return kind.checked(kind.parsed(text.strip()))
    except UsageError as error:
        error.place = variable
        raise


def _nearest(name: str, known: list[str]) -> str | None:
    near = get_close_matches(name.upper(), known, n=1, cutoff=0.75)
    return near[0] if near else None
