"""Table: what every analysis returns, tidy columns with a schema, one comparison a row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

__all__ = ["Cell", "Column", "Columns", "Table", "json_schema"]

Cell: TypeAlias = str | int | float | bool | None

_JSON_TYPES = {"text": "string", "integer": "integer", "number": "number", "flag": "boolean"}


class Column(NamedTuple):
    """What a column holds.

    Parameters
    ----------
    kind
        ``text``, ``integer``, ``number`` (float64) or ``flag``.
    text
        What it means, with its unit; shown in the reference and in the JSON Schema.
    """

    kind: Literal["text", "integer", "number", "flag"]
    text: str


Columns: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Table:
    """Tidy results: named columns of equal length.

    Parameters
    ----------
    schema
        Name and version of the columns' meaning, e.g. ``maskstat.compare/1``. Within a version
        columns are only added.
    columns
        Column name to what it holds.
    data
        Column name to its values; None where a value does not exist.
    inputs
        The inputs, one JSON-ready record each.
    parameters
        The options that the numbers depend on, JSON-ready.
    """

    schema: str
    columns: Columns
    data: Mapping[str, Sequence[Cell]]
    inputs: Sequence[Mapping[str, Any]] = field(default=())
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.data.values()), ()))

    def __iter__(self) -> Iterator[dict[str, Cell]]:
        names = list(self.data)
        for values in zip(*self.data.values(), strict=True):
            yield dict(zip(names, map(_plain, values), strict=True))

    def rows(self) -> list[dict[str, Cell]]:
        """Return one dict a row, with Python scalars and None where there is no value."""
        return list(self)

    def column(self, name: str) -> list[Cell]:
        """Return one column's values."""
        return [_plain(value) for value in self.data[name]]

    def where(self, **conditions: Cell) -> list[dict[str, Cell]]:
        """Return the rows whose columns equal the given values."""
        return [row for row in self if all(row[k] == v for k, v in conditions.items())]

    def to_dict(self) -> dict[str, Any]:
        """Return schema, inputs, parameters and rows, ready for JSON: no NaN, no infinity."""
        return {
            "schema": self.schema,
            "inputs": [dict(record) for record in self.inputs],
            "parameters": dict(self.parameters),
            "rows": self.rows(),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.schema}: {len(self)} rows of {', '.join(self.data)}>"

    def _repr_html_(self) -> str:
        """Show the first rows in a notebook."""
        from html import escape

        shown = 60
        head = "".join(f"<th>{escape(name)}</th>" for name in self.data)
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(_short(value))}</td>" for value in row.values())
            + "</tr>"
            for _, row in zip(range(shown), self, strict=False)
        )
        more = f"<p>{len(self) - shown} more rows</p>" if len(self) > shown else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _plain(value: Any) -> Cell:
    """NumPy scalars to Python's; what is not finite does not exist."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value  # type: ignore[no-any-return]


def _short(value: Cell) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def json_schema(schema: str, columns: Columns) -> dict[str, Any]:
    """Describe a table's JSON form as a JSON Schema (draft 2020-12).

    Parameters
    ----------
    schema
        The table's schema name.
    columns
        Its columns.

    Returns
    -------
    dict
    """
    properties = {
        name: {"type": [_JSON_TYPES[column.kind], "null"], "description": column.text}
        for name, column in columns.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": schema,
        "type": "object",
        "required": ["schema", "maskstat", "inputs", "parameters", "rows"],
        "properties": {
            "schema": {"const": schema},
            "maskstat": {"type": "string", "description": "version that wrote this"},
            "inputs": {"type": "array", "items": {"type": "object"}},
            "parameters": {"type": "object"},
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": False,
                },
            },
        },
    }
