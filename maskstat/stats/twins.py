"""Twins: runs that differ in one setting and have every other in common, seeds included."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from maskstat.errors import UsageError, closest
from maskstat.run import Run
from maskstat.stats.run_keys import RUN_KEYS, group_name, key_of
from maskstat.table import Cell

__all__ = ["DIFFER", "Twins", "twins"]

DIFFER = ("rewind", "method", "dataset")
"""What twins may differ in."""


class Twins(NamedTuple):
    """Two runs that differ in one setting alone.

    Parameters
    ----------
    a, b
        Their positions.
    value_a, value_b
        The setting in which they differ.
    group
        What pairs that are averaged have in common.
    """

    a: int
    b: int
    value_a: str
    value_b: str
    group: str


def twins(runs: Sequence[Run], *, differ: str, baseline: str | None = None) -> list[Twins]:
    """Pair runs that differ in one setting and have every other in common, seeds included.

    Parameters
    ----------
    runs
        The runs.
    differ
        ``rewind``, ``method`` or ``dataset``.
    baseline
        Keep only pairs with this value, first in each; by default all pairs.

    Returns
    -------
    list of Twins
        In the order of the runs.

    Raises
    ------
    UsageError
        There is no such setting or baseline, two runs have every setting in common, or no two
        differ in this one alone.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> mask = Mask.from_arrays({"fc": [1, 0]})
    >>> runs = [
    ...     Run.from_masks("r", [mask], method=method, seed=seed)
    ...     for method in ("l1", "l2") for seed in (0, 1)
    ... ]
    >>> [(t.a, t.b, t.group) for t in twins(runs, differ="method")]
    [(0, 2, 'l1 and l2'), (1, 3, 'l1 and l2')]
    """
    if differ not in DIFFER:
        raise UsageError(
            f"'{differ}' is nothing that twins differ in",
            code="unknown-setting",
            place="--differ",
            consequence=closest(differ, DIFFER),
        )
    for run in runs:
        group_name(run, [differ])
    values = [str(key_of(run, differ)) for run in runs]
    if baseline is not None and baseline not in values:
        raise UsageError(
            f"no run has the {differ} '{baseline}'",
            code="no-baseline",
            place="--baseline",
            consequence=closest(baseline, list(dict.fromkeys(values))),
        )
    families: dict[tuple[Cell, ...], dict[str, int]] = {}
    common = [key for key in RUN_KEYS if key not in (differ, "init_seed")]
    for index, run in enumerate(runs):
        family = families.setdefault(tuple(key_of(run, key) for key in common), {})
        other = family.setdefault(values[index], index)
        if other != index:
            raise UsageError(
                f"it differs from {runs[other].label} in no setting",
                code="ambiguous-inputs",
                place=run.label,
                consequence="which of them is whose twin is not known",
                hint="give each run once; choose with --select",
            )
    pairs = [
        (b, a) if values[b] == baseline else (a, b)
        for family in families.values()
        for a, b in combinations(family.values(), 2)
        if baseline is None or baseline in (values[a], values[b])
    ]
    if not pairs:
        raise UsageError(
            f"no two of {len(runs)} runs differ in their {differ} alone",
            code="no-twins",
            place="--differ",
            consequence="there is nothing to compare",
            hint=f"give runs of the same seed that differ in their {differ}",
        )
    return _named(runs, values, pairs, differ, baseline)


def _named(
    runs: Sequence[Run],
    values: Sequence[str],
    pairs: Sequence[tuple[int, int]],
    differ: str,
    baseline: str | None,
) -> list[Twins]:
    """Name the groups by what tells them apart."""
    several = len({frozenset((values[a], values[b])) for a, b in pairs}) > 1
    order = {value: index for index, value in enumerate(dict.fromkeys(values))}
    others = [
        key
        for key in ("model", "dataset", "method", "rewind")
        if key != differ and len({key_of(runs[a], key) for a, _ in pairs}) > 1
    ]
    found = []
    for first, second in sorted(pairs):
        a, b = first, second
        if baseline is None and order[values[a]] > order[values[b]]:
            a, b = b, a
        one, other = (group_name(runs[i], [differ]) for i in (a, b))
        parts = [group_name(runs[a], others)] if others else []
        if several or not others:
            parts.append(other if baseline is not None else f"{one} and {other}")
        found.append(Twins(a, b, values[a], values[b], ": ".join(parts)))
    return found
