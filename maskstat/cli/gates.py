"""``--fail-if``: a condition on rows that ends a command with status 1."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import click

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
    r"\s*(?:(?P<layer>(?:[^<>=!]|!(?!=))+):)?\s*(?P<column>[A-Za-z_]\w*)\s*"
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

    def names(self, row: dict[str, Cell]) -> bool:
        """Tell whether a row is one of those that the condition is about."""
        return not self.layer or fnmatchcase(str(row.get("layer", "")), self.layer)

    def meets(self, row: dict[str, Cell]) -> bool:
        """Tell whether a row is one of those named and its value satisfies the comparison."""
        value = row[self.column] if self.names(row) else None
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
                    f"{key} {printable(str(row[key]))}"
                    if key in _NUMBERED
                    else printable(str(row[key]))
                    for key in _PLACES
                    if row.get(key) is not None
                )
                # What failed is the result of a gate, not talk: --quiet does not silence it.
                click.echo(
                    f"fail-if '{gate.text}': {where}: {gate.column} is {row[gate.column]}", err=True
                )
    if failed:
        click.get_current_context().exit(1)


_NUMBERED = ("iteration", "iteration_a", "iteration_b", "votes")
_PLACES = ("run", "group", "a", "b", *_NUMBERED[:3], "layer", "votes")


def _checked(gate: Gate, table: Table) -> Gate:
    numeric = [name for name in table.data if table.columns[name].kind in ("integer", "number")]
    if gate.column not in numeric:
        raise UsageError(
            f"there is no numeric column '{gate.column}'",
            code="bad-condition",
            place="--fail-if",
            consequence=closest(gate.column, numeric, limit=40),
        )
    if gate.layer and "layer" not in table.data:
        raise UsageError(
            f"the rows are of no layers, and '{printable(gate.layer)}' names some",
            code="bad-condition",
            place="--fail-if",
            hint=f"leave out '{printable(gate.layer)}:'",
        )
    layers = dict.fromkeys(str(row.get("layer", "")) for row in table)
    if gate.layer and not any(fnmatchcase(layer, gate.layer) for layer in layers):
        raise UsageError(
            f"no row's layer is named '{printable(gate.layer)}'",
            code="bad-condition",
            place="--fail-if",
            consequence=closest(gate.layer, layers),
        )
    values = [row[gate.column] for row in table if gate.names(row)]
    if values and all(value is None for value in values):
        raise UsageError(
            f"'{gate.column}' has no value in the rows that '{printable(gate.text)}' names",
            code="nothing-to-check",
            place="--fail-if",
            consequence="a gate that can never close says nothing",
        )
    return gate
