"""``--fail-if``: a condition on rows that ends a command with status 1."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import click

from maskstat.cli.report import note
from maskstat.errors import UsageError, closest, printable
from maskstat.table import Cell, Table

__all__ = ["Gate", "enforce", "read_gates"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_FORM = re.compile(
    r"\s*(?:(?P<layer>[^<>=!]+):)?\s*(?P<column>[A-Za-z_]\w*)\s*"
    r"(?P<operator><=|>=|==|!=|<|>)\s*(?P<number>[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """A column, a comparison and a number, for the layers that a glob names.

    Parameters
    ----------
    text
        What the user wrote.
    layer
        Glob of layer names; empty for every row.
    column, operator, number
        The condition.
    """

    text: str
    layer: str
    column: str
    operator: str
    number: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Take a condition apart.

        Raises
        ------
        UsageError
            It is not of the form ``[layer:]column operator number``.

        Examples
        --------
        >>> Gate.parse("total:jaccard < 0.9").column
        'jaccard'
        """
        match = _FORM.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            number = float(match["number"])
        except ValueError:
            raise UsageError(
                f"'{printable(text)}' is no condition",
                code="bad-condition",
                place="--fail-if",
                consequence="it takes [LAYER:]COLUMN, one of < <= > >= == !=, and a number",
                hint="--fail-if 'total:jaccard < 0.9'",
            ) from None
        layer = (match["layer"] or "").strip()
        return cls(text.strip(), layer, match["column"], match["operator"], number)

    def meets(self, row: dict[str, Cell]) -> bool:
        """Tell whether a row is one of those named and its value satisfies the comparison."""
        if self.layer and not fnmatchcase(str(row.get("layer", "")), self.layer):
            return False
        value = row[self.column]
        return value is not None and _OPERATORS[self.operator](float(value), self.number)


def read_gates(table: Table, conditions: Sequence[str]) -> list[Gate]:
    """Read conditions on a table's rows.

    Parameters
    ----------
    table
        The rows.
    conditions
        What ``--fail-if`` was given.

    Raises
    ------
    UsageError
        A condition cannot be read, or names no numeric column or no layer of the table.
    """
    return [_checked(Gate.parse(text), table) for text in conditions]


def enforce(gates: Sequence[Gate], table: Table) -> None:
    """Say which rows meet a condition, and end with status 1 if any does."""
    failed = False
    for gate in gates:
        for row in table:
            if gate.meets(row):
                failed = True
                where = " ".join(
                    printable(str(row[key])) for key in ("run", "a", "b", "layer") if row.get(key)
                )
                note(f"fail-if '{gate.text}': {where}: {gate.column} is {row[gate.column]}")
    if failed:
        click.get_current_context().exit(1)


def _checked(gate: Gate, table: Table) -> Gate:
    numeric = [name for name in table.data if table.columns[name].kind in ("integer", "number")]
    if gate.column not in numeric:
        raise UsageError(
            f"there is no numeric column '{gate.column}'",
            code="bad-condition",
            place="--fail-if",
            consequence=closest(gate.column, numeric, limit=40),
        )
    layers = dict.fromkeys(str(row.get("layer", "")) for row in table)
    if gate.layer and not any(fnmatchcase(layer, gate.layer) for layer in layers):
        raise UsageError(
            f"no row's layer is named '{printable(gate.layer)}'",
            code="bad-condition",
            place="--fail-if",
            consequence=closest(gate.layer, layers),
        )
    return gate
