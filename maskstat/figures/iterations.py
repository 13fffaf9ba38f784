"""Pruning iterations that rows have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maskstat.errors import InputError

__all__ = ["iterations_of"]


def iterations_of(rows: Sequence[Mapping[str, Any]], name: str = "iteration") -> list[int]:
    """Return the iterations of rows, ascending.

    Raises
    ------
    InputError
        A row has none: masks of different iterations were compared.
    """
    found = {row[name] for row in rows}
    if None in found:
        raise InputError(
            "masks of different iterations, or of none, are taken together",
            code="no-common-iteration",
            consequence="a figure over iterations needs the same iteration of all",
            hint="give runs, not single masks, and --iteration all",
        )
    return sorted(found)
