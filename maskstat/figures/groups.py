"""Groups: pairs of runs that agree in something, and those that do not, with their colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from maskstat.errors import InputError
from maskstat.figures.lines import COLOUR_ORDER
from maskstat.figures.names import short_names
from maskstat.figures.places import N_COLOURS, methods_of, places
from maskstat.figures.style import COLOURS
from maskstat.stats.summary import group_values
from maskstat.table import Table

__all__ = ["SHADES", "Group", "group_colours", "group_names", "group_pairs"]

Rows = list[dict[str, Any]]

SHADES = tuple(COLOURS[name] for name in ("blue", "orange", "green", "vermilion", "sky", "purple"))
"""Colours of groups, in order."""

_ACROSS = COLOURS["grey"]
_SEEDS = {"init_seed": "initial weights", "seed": "seed", "replicate": "replicate"}


class Group(NamedTuple):
    """Pairs drawn alike.

    Parameters
    ----------
    name
        For the legend.
    within
        Whether the runs of each pair agree in the key.
    colour
        A hexadecimal colour.
    rows
        The rows of its pairs, in the order of the table.
    """

    name: str
    within: bool
    colour: str
    rows: Rows


def group_names(values: Sequence[object], key: str) -> dict[object, str]:
    """Name the values of a grouping key, in order of first appearance.

    Initial weights are numbered: their seeds are hashes, which nobody reads.

    Examples
    --------
    >>> group_names(["783f", "2b7c", "783f"], "init_seed")
    {'783f': 'initial weights 1', '2b7c': 'initial weights 2'}
    >>> group_names([3, 1], "seed")
    {3: 'seed 3', 1: 'seed 1'}
    """
    distinct = list(dict.fromkeys(values))
    if key == "init_seed":
        return {value: f"{_SEEDS[key]} {i}" for i, value in enumerate(distinct, 1)}
    if key in _SEEDS:
        return {value: f"{_SEEDS[key]} {value}" for value in distinct}
    return dict(zip(distinct, short_names([str(value) for value in distinct], 19), strict=True))


def group_colours(names: Mapping[object, str], key: str, table: Table) -> dict[str, str]:
    """Return the colour of each named group; a pruning method has the one of its lines.

    Parameters
    ----------
    names
        What `group_names` returns.
    key
        The grouping key.
    table
        A table with a record of each input.

    Returns
    -------
    dict
        Name to a hexadecimal colour.
    """
    if key != "method":
        return dict(zip(names.values(), cycle(SHADES), strict=False))
    place_of = places([str(method) for method in names], methods_of(table.inputs))
    return {
        name: COLOURS[COLOUR_ORDER[place_of[str(method)] % N_COLOURS]]
        for method, name in names.items()
    }


def group_pairs(
    table: Table, rows: Rows, *, group_by: str | None = None, same: Sequence[str] = ()
) -> list[Group]:
    """Split rows of pairs into those within each group of runs and those across.

    Parameters
    ----------
    table
        A table of pairs, with a record of each input.
    rows
        Rows of it.
    group_by
        A key of `maskstat.stats.summary.GROUP_KEYS`; None makes one group of all pairs.
    same
        Keys in which the runs of a pair have to agree, or it is left out.

    Returns
    -------
    list of Group
        Within in order of the inputs, then across: one group for seeds, one for every two data
        sets, methods or models. Groups without a pair are left out.

    Raises
    ------
    UsageError
        There is no such key, or an input does not have it.
    InputError
        No pair is left.
    """
    agreeing = [group_values(table, key) for key in same]
    rows = [row for row in rows if all(of[row["a"]] == of[row["b"]] for of in agreeing)]
    if not rows:
        raise InputError(
            f"no two of the runs have the same {' and '.join(same)}",
            code="nothing-to-draw",
            consequence="there is nothing to draw",
        )
    if group_by is None:
        return [Group("observed", True, SHADES[0], rows)]
    value_of = group_values(table, group_by)
    names = group_names(list(value_of.values()), group_by)
    found: dict[tuple[str, bool], Rows] = {(name, True): [] for name in names.values()}
    for row in rows:
        a, b = (names[value_of[row[side]]] for side in "ab")
        if a == b:
            found[a, True].append(row)
        else:
            found.setdefault((_across(a, b, names, group_by), False), []).append(row)
    return _coloured(found, group_colours(names, group_by, table))


def _across(a: str, b: str, names: Mapping[object, str], key: str) -> str:
    if key in _SEEDS:
        return f"across {_SEEDS[key]}" + ("s" if key != "init_seed" else "")
    order = list(names.values())
    return " and ".join(sorted((a, b), key=order.index))


def _coloured(found: Mapping[tuple[str, bool], Rows], colour_of: Mapping[str, str]) -> list[Group]:
    """Colour groups; a lone group across is grey, as in the paper."""
    used = [(name, within, rows) for (name, within), rows in found.items() if rows]
    lone = sum(not within for _, within, _ in used) == 1
    shown = [colour_of[name] for name, within, _ in used if within]
    left = cycle([shade for shade in SHADES if shade not in shown] or SHADES)
    return [
        Group(name, within, colour_of[name] if within else _ACROSS if lone else next(left), rows)
        for name, within, rows in used
    ]
