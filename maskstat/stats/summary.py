"""Summaries of many pairs: curves with bands, groups, and how many are significant.

Pairs that share a run are not independent, so nothing here treats pairs as replicates unless no
run occurs in two of them: standard errors leave out one run at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from maskstat.errors import UsageError, closest
from maskstat.stats.dependence import jackknife_runs, significant_fraction
from maskstat.stats.pairtest import exact_size
from maskstat.stats.stratified import exact_size_total
from maskstat.table import Cell, Column, Table, require_table

__all__ = [
    "BANDS",
    "GROUP_KEYS",
    "SUMMARY_COLUMNS",
    "Band",
    "group_values",
    "standard_error",
    "summarize",
]

Band: TypeAlias = Literal["t95", "sd", "half-sd"]
BANDS = get_args(Band)

GROUP_KEYS = ("init_seed", "seed", "replicate", "dataset", "method", "model")

SUMMARY_COLUMNS = {
    "group": Column("text", "all, or within / between by the key that pairs were grouped by"),
    "iteration": Column("integer", "pruning iteration; empty where the two differ"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "pairs": Column("integer", "pairs of masks"),
    "runs": Column("integer", "runs that the pairs are made of: the replicates"),
    "density": Column("number", "mean kept share"),
    "jaccard": Column("number", "mean over pairs"),
    "jaccard_distance": Column("number", "mean over pairs, 1 - jaccard"),
    "low": Column("number", "lower end of the band around the mean distance"),
    "high": Column("number", "upper end of the band around the mean distance"),
    "se": Column("number", "standard error of the mean distance, leaving out one run at a time"),
    "expected_distance": Column("number", "mean over pairs of the distance expected by chance"),
    "lift": Column("number", "sum of shared weights / sum of expected ones"),
    "tested": Column("integer", "pairs that can be tested"),
    "untestable": Column("integer", "pairs whose sizes allow one overlap only"),
    "above95": Column("number", "share of tested pairs above the central 95 % region"),
    "below95": Column("number", "share below it"),
    "expected_above95": Column("number", "exact share above it by chance alone; not 2.5 %"),
    "expected_below95": Column("number", "exact share below it by chance alone"),
    "sd_above95": Column("number", "standard deviation of the share above, by chance alone"),
    "above99": Column("number", "share of tested pairs above the central 99 % region"),
    "below99": Column("number", "share below it"),
    "expected_above99": Column("number", "exact share above it by chance alone"),
    "expected_below99": Column("number", "exact share below it by chance alone"),
    "sd_above99": Column("number", "standard deviation of the share above, by chance alone"),
}

Rows: TypeAlias = Sequence[Mapping[str, Any]]
Layers: TypeAlias = dict[tuple[Any, ...], list[list[Any]]]

_COUNTS = ("size", "kept_a", "kept_b")

_HOW_KNOWN = {
    **{key: f"from Python: Run.from_masks(name, masks, {key}=...)" for key in GROUP_KEYS},
    "init_seed": "--group-by seed; from Python: Run.from_masks(name, masks, "
    "provenance={'seeds': {'init': ...}})",
}


def summarize(comparison: Table, *, group_by: str | None = None, band: Band = "t95") -> Table:
    """Average a comparison over its pairs, by iteration, layer and group.

    Parameters
    ----------
    comparison
        From `maskstat.compare`.
    group_by
        A key of `GROUP_KEYS`: pairs whose runs agree in it are ``within``, others ``between``.
        None puts all pairs into one group.
    band
        ``t95``: mean ± t-quantile times the standard error; ``sd``: mean ± one standard deviation
        over pairs; ``half-sd``: half of it each way (Paganini & Forde 2020, section 3, ddof 1).

    Returns
    -------
    Table

    Raises
    ------
    UsageError
        There is no such key or band, or a run does not have it.
    InputError
        The table is another function's.

    Notes
    -----
    Where every run occurs in one pair, or all pairs share one reference run, the pairs are the
    replicates; else the standard error is a jackknife over runs with runs - 1 degrees of freedom.
    The expected shares above and below are the exact sizes of the tests (Grosse & Backes 2020,
    Figure 11, compares with the nominal ones), for rows under the uniform null.
    """
    require_table(comparison, "maskstat.compare/1", source="compare")
    if band not in BANDS:
        raise UsageError(
            f"there is no band '{band}'",
            code="unknown-band",
            place="--band",
            consequence=closest(band, BANDS),
        )
    value_of = group_values(comparison, group_by) if group_by else None
    groups: dict[tuple[str, int | None, str], list[dict[str, Cell]]] = {}
    for row in comparison:
        same = row["iteration_a"] == row["iteration_b"]
        iteration = row["iteration_a"] if same else None
        group = "all"
        if value_of is not None:
            a, b = value_of[str(row["a"])], value_of[str(row["b"])]
            group = "within" if a == b else "between"
        key = (group, iteration if isinstance(iteration, int) else None, str(row["layer"]))
        groups.setdefault(key, []).append(row)
    layers = _layers_of_pairs(comparison)
    ordered = sorted(groups, key=lambda key: key[0] == "between")
    rows = [
        {
            "group": key[0],
            "iteration": key[1],
            "layer": key[2],
            **_summary(groups[key], layers, band),
        }
        for key in ordered
    ]
    return Table(
        schema="maskstat.summary/1",
        columns=SUMMARY_COLUMNS,
        data={name: [row[name] for row in rows] for name in SUMMARY_COLUMNS},
        inputs=comparison.inputs,
        parameters={**comparison.parameters, "group_by": group_by, "band": band},
    )


def group_values(comparison: Table, key: str) -> dict[str, object]:
    """Return each input's value of a grouping key.

    Parameters
    ----------
    comparison
        Any table of pairs, with a record of each input.
    key
        One of `GROUP_KEYS`.

    Returns
    -------
    dict of str to object
        By the input's path.

    Raises
    ------
    UsageError
        There is no such key, or an input does not have it.
    """
    if key not in GROUP_KEYS:
        raise UsageError(
            f"runs are not grouped by '{key}'",
            code="unknown-group",
            place="--group-by",
            consequence=closest(key, GROUP_KEYS),
        )
    values: dict[str, object] = {}
    for record in comparison.inputs:
        value = record.get(key)
        if value in (None, ""):
            raise UsageError(
                f"its {key} is not known",
                code="unknown-group",
                place=str(record["path"]),
                consequence=f"it cannot be grouped by {key}",
                hint=_HOW_KNOWN[key],
            )
        values[str(record["path"])] = value
    return values


def _layers_of_pairs(comparison: Table) -> Layers:
    """Return the sizes and kept weights of every pair's layers."""
    layers: Layers = {}
    for row in comparison:
        if row["layer"] != "total":
            layers.setdefault(_pair(row), []).append([row[name] for name in _COUNTS])
    return layers


def _pair(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("a", "b", "iteration_a", "iteration_b"))


def _summary(rows: Rows, layers: Layers, band: Band) -> dict[str, Cell]:
    """Summarize the pairs of one group, iteration and layer."""
    distance = np.array([row["jaccard_distance"] for row in rows])
    expected = np.array([row["expected_jaccard"] for row in rows], np.float64)
    shared, by_chance, size, kept_a, kept_b = (
        np.array([row[name] for row in rows], np.float64)
        for name in ("shared", "expected_shared", "size", "kept_a", "kept_b")
    )
    runs = {row[side] for row in rows for side in ("a", "b")}
    se, df = standard_error(rows, distance)
    low, high = _band(distance, se, df, band)
    testable = np.array([row["log10_p"] is not None for row in rows])
    return {
        "pairs": len(rows),
        "runs": len(runs),
        "density": float((kept_a + kept_b).sum() / (2 * size.sum())),
        "jaccard": float(1 - distance.mean()),
        "jaccard_distance": float(distance.mean()),
        "low": low,
        "high": high,
        "se": se,
        "expected_distance": float(1 - expected.mean()),
        "lift": float(shared.sum() / by_chance.sum()) if by_chance.sum() > 0 else None,
        "tested": int(testable.sum()),
        "untestable": int((~testable).sum()),
        **_significant(rows, layers, testable),
    }


def standard_error(rows: Rows, values: np.ndarray) -> tuple[float, int]:
    """Return the standard error of a mean over pairs and its degrees of freedom.

    Parameters
    ----------
    rows
        The pairs, each with the labels ``a`` and ``b`` of its runs.
    values : float64 (n_pairs,)
        What is averaged.

    Returns
    -------
    tuple of float and int
        NaN where there are too few pairs or runs. Pairs are the replicates only if no run occurs
        in two of them, or all share one reference run; else runs are left out one at a time.
    """
    occurs = Counter(row[side] for row in rows for side in ("a", "b"))
    n = len(rows)
    often = [run for run, times in occurs.items() if times > 1]
    star = len(often) == 1 and occurs[often[0]] == n
    if not often or star:
        return (float(values.std(ddof=1)) / math.sqrt(n), n - 1) if n > 1 else (math.nan, 0)
    mean = jackknife_runs(values, [row["a"] for row in rows], [row["b"] for row in rows])
    return mean.se, mean.runs - 1


def _band(values: np.ndarray, se: float, df: int, band: Band) -> tuple[float, float]:
    mean = float(values.mean())
    if band == "t95":
        if df < 1 or math.isnan(se):
            return math.nan, math.nan
        from scipy.special import stdtrit

        half = float(stdtrit(df, 0.975)) * se
    else:
        sd = float(values.std(ddof=1)) if values.size > 1 else math.nan
        half = sd if band == "sd" else sd / 2
    # A distance cannot leave 0 to 1, whatever its standard error.
    return max(mean - half, 0.0), min(mean + half, 1.0)


def _significant(rows: Rows, layers: Layers, testable: np.ndarray) -> dict[str, Cell]:
    """Share of significant pairs beside what chance alone gives."""
    result: dict[str, Cell] = {}
    uniform = all(row["null"] in ("layer", "stratified") for row in rows)
    for level, alpha in (("95", 0.05), ("99", 0.01)):
        names = [f"{kind}{level}" for kind in _SHARES]
        known = [row[f"low{level}"] is not None for row in rows]
        if not uniform or not all(known) or not testable.any():
            result |= dict.fromkeys(names)
            continue
        above, below = _sizes(rows, layers, alpha)
        fraction = significant_fraction(
            [row["shared"] for row in rows],
            low=[row[f"low{level}"] for row in rows],
            high=[row[f"high{level}"] for row in rows],
            size_above=above,
            size_below=below,
            testable=testable,
        )
        result |= {f"{kind}{level}": getattr(fraction, kind) for kind in _SHARES}
    return result


_SHARES = ("above", "below", "expected_above", "expected_below", "sd_above")


def _sizes(rows: Rows, layers: Layers, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact chance of falling above and below the region."""
    if rows[0]["null"] == "stratified":
        N, a, b = np.moveaxis(np.array([layers[_pair(row)] for row in rows]), -1, 0)
        return exact_size_total(N, a, b, alpha=alpha)
    N, a, b = (np.array([row[name] for row in rows]) for name in _COUNTS)
    return exact_size(N, a, b, alpha=alpha)
