"""Rows of a result table, checked and grouped the way figures need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskstat.errors import InputError
from maskstat.table import Table

__all__ = ["by_layer", "drawable_rows", "value"]


def drawable_rows(
    table: Table, columns: Sequence[str], *, source: str, layer: str | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a table from which a figure can be drawn.

    Parameters
    ----------
    table
        The table.
    columns
        Columns that the figure draws.
    source
        Name of the function whose table is wanted, for the error.
    layer
        Only the rows of this layer, or of the ``total``.

    Returns
    -------
    list of dict

    Raises
    ------
    InputError
        It is no table, a column is missing, or there are no rows.
    """
    if not isinstance(table, Table):
        raise InputError(
            f"a {type(table).__name__} is no table",
            code="wrong-table",
            consequence=f"this figure is drawn from what {source}() returns",
        )
    for name in columns:
        if name not in table.data:
            raise InputError(
                f"a table of {table.schema} has no column '{name}'",
                code="wrong-table",
                consequence=f"this figure is drawn from what {source}() returns",
            )
    rows = [row for row in table if layer is None or row["layer"] == layer]
    if not rows:
        raise InputError(
            "the table has no rows" + (f" of layer '{layer}'" if layer and len(table) else ""),
            code="nothing-to-draw",
            consequence="there is nothing to draw",
            hint="ask for iterations that all inputs have",
        )
    return rows


def by_layer(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Group rows by layer, in network order, the total last."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["layer"], []).append(row)
    if "total" in groups:
        groups["total"] = groups.pop("total")
    return groups


def value(row: dict[str, Any], name: str) -> float:
    """Return a number that can be drawn: NaN where it does not exist.

    The distance of two masks that both keep nothing is 0 by convention only, so it is not drawn.
    """
    number = row[name]
    if number is None or row.get("union") == 0:
        return float("nan")
    return float(number)
