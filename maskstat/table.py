"""Table: what every analysis returns, tidy columns with a schema, one comparison a row."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from maskstat.errors import InputError, NotFoundError, closest, printable

__all__ = [
    "Cell",
    "Column",
    "Columns",
    "Table",
    "html_table",
    "json_schema",
    "plain",
    "readable",
    "require_table",
]

Cell: TypeAlias = str | int | float | bool | None

_SHOWN = 60
"""Rows that a notebook shows."""

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
            yield dict(zip(names, map(plain, values), strict=True))

    def rows(self) -> list[dict[str, Cell]]:
        """Return one dict a row, with Python scalars and None where there is no value."""
        return list(self)

    def column(self, name: str) -> list[Cell]:
        """Return one column's values.

        Raises
        ------
        NotFoundError
            There is no such column.
        """
        self._require([name])
        return [plain(value) for value in self.data[name]]

    def where(self, **conditions: Cell) -> list[dict[str, Cell]]:
        """Return the rows whose columns equal the given values.

        Raises
        ------
        NotFoundError
            There is no such column.
        """
        self._require(conditions)
        return [row for row in self if all(row[k] == v for k, v in conditions.items())]

    def _require(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.data:
                raise NotFoundError(
                    f"there is no column '{name}'",
                    code="no-such-column",
                    place=self.schema,
                    consequence=closest(name, self.data, limit=len(self.data)),
                )

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
        numeric = {name for name, c in self.columns.items() if c.kind in ("integer", "number")}
        return html_table(list(self.data), iter(self), n_rows=len(self), numeric=numeric)


def require_table(table: object, schema: str, *, source: str) -> None:
    """Raise unless something is the table of one statistic.

    Parameters
    ----------
    table
        Anything.
    schema
        The table's schema.
    source
        Name of the function that returns such tables, for the error.

    Raises
    ------
    InputError
        It is no table, or that of another statistic.
    """
    kind = table.schema if isinstance(table, Table) else type(table).__name__
    if kind != schema:
        raise InputError(
            f"this is of type {kind}",
            code="wrong-table",
            consequence=f"what {source}() returns is wanted",
        )


def html_table(
    names: Sequence[str],
    rows: Iterable[Mapping[str, Cell]],
    *,
    n_rows: int,
    numeric: Collection[str] = (),
    caption: str = "",
) -> str:
    """Lay rows out as HTML, as a notebook shows them; of many, the first 60.

    Parameters
    ----------
    names
        The columns, in order.
    rows
        No more than are shown are taken.
    n_rows
        How many there are.
    numeric
        Columns that are aligned to the right.
    caption
        Above the table.

    Examples
    --------
    >>> html_table(["n"], [{"n": 1234}], n_rows=1)
    '<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>1,234</td></tr></tbody></table>'
    """
    style = {name: ' style="text-align: right"' if name in numeric else "" for name in names}
    head = "".join(f"<th{style[name]}>{_escaped(name)}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td{style[name]}>{_escaped(readable(row[name]))}</td>" for name in names)
        + "</tr>"
        for row in islice(rows, _SHOWN)
    )
    above = f"<caption>{_escaped(caption)}</caption>" if caption else ""
    more = f"<p>{n_rows - _SHOWN:,} more rows</p>" if n_rows > _SHOWN else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def readable(value: Cell) -> str:
    """Write a value as people read it: digits grouped, numbers rounded, a dash where none exists.

    Examples
    --------
    >>> [readable(value) for value in (None, True, 12345, 0.123456, 1e-9)]
    ['-', 'yes', '12,345', '0.1235', '1e-09']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _readable_float(value) if isinstance(value, float) else printable(value)


def _readable_float(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size < 1e-4 or size >= 1e7:
        return f"{value:.3g}"
    return f"{value:,.1f}" if size >= 1000 else f"{value:.4g}"


def _escaped(text: str) -> str:
    from html import escape

    return escape(printable(text))


def plain(value: Any) -> Cell:
    """Turn NumPy scalars to Python's; what is not finite does not exist."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value  # type: ignore[no-any-return]


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
