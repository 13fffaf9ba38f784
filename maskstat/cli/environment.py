"""Settings from the environment, and what is said about them."""

from __future__ import annotations

import os
from collections.abc import Container
from typing import Any

from maskstat.cli.report import note
from maskstat.prune.recipe import SETTINGS
from maskstat.prune.variables import read_variables, variable_of

__all__ = ["from_environment"]


def from_environment(
    options: Container[str], *, only: Container[str] = tuple(SETTINGS)
) -> dict[str, Any]:
    """Return the settings that ``MASKSTAT_`` variables make, and say so on standard error.

    Parameters
    ----------
    options
        Python names of settings that options make, which outrank the environment.
    only
        Names of the settings that have an effect; the others are passed over.

    Raises
    ------
    UsageError
        A value that its setting does not take.
    """
    found = read_variables(os.environ)
    for name, nearest in found.unknown.items():
        near = f"; did you mean {nearest}?" if nearest else ""
        note(f"warning: {name} is no setting, and is passed over{near}")
    used = {k: v for k, v in found.settings.items() if k not in options and k in only}
    for name in used:
        variable = variable_of(name)
        note(f"{SETTINGS[name].key} is {os.environ[variable]}, from {variable}")
    return used
