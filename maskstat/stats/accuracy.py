"""Accuracy of pruned networks over sparsity: mean and spread over runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev
from typing import TypeAlias

import numpy as np

from maskstat.errors import NotFoundError, UsageError
from maskstat.run import Run
from maskstat.stats.run_keys import group_name, keys_from, what_differs
from maskstat.table import Cell, Column, Table

__all__ = ["ACCURACY_COLUMNS", "accuracy", "half_sd_band"]

ACCURACY_COLUMNS = {
    "group": Column("text", "what the runs have in common; the run's name if they are not grouped"),
    "iteration": Column("integer", "pruning iteration; 0 is the dense network"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("number", "weights kept; mean over the runs"),
    "density": Column("number", "kept / size"),
    "sparsity": Column("number", "1 - density"),
    "n": Column("integer", "runs that the row is over"),
    "differ": Column("text", "what these runs differ in, e.g. 'seed'; empty for one run"),
    "accuracy": Column("number", "mean accuracy on the test set after training under the mask"),
    "sd": Column("number", "its standard deviation over the runs (n - 1 below)"),
    "low": Column("number", "mean - sd / 2, at least 0: the band is one sd wide"),
    "high": Column("number", "mean + sd / 2, at most 1"),
}

Source: TypeAlias = Run | tuple[Run, int | None]


def accuracy(*runs: Source, group_by: str | None = "method") -> Table:
    """Average the test accuracy of runs at every pruning iteration.

    Parameters
    ----------
    *runs
        Runs, or runs with the iteration that alone is looked at.
    group_by
        What the runs of a row have in common: one or several, separated by commas, of ``model``,
        ``dataset``, ``method``, ``rewind``, ``seed``, ``replicate`` and ``init_seed``. None makes
        every run a group of its own.

    Returns
    -------
    Table
        A row a group and iteration, dense network first, groups in the order of their first runs.

    Raises
    ------
    NotFoundError
        None of the runs has recorded test accuracies.
    UsageError
        There is no such key, a run does not have it, or networks of different sizes would be
        averaged.

    Notes
    -----
    Paganini & Forde (2020), Figures 2 and 8; Grosse & Backes (2020), Figures 1b and 7a. The band is
    one standard deviation in all, half up and half down (Paganini & Forde, section 3): it shows how
    single runs scatter, not how well their mean is known.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> masks = [Mask.from_arrays({"fc": [1, 1, 1, 0]}), Mask.from_arrays({"fc": [1, 0, 0, 0]})]
    >>> runs = [
    ...     Run.from_masks(
    ...         f"r{seed}", masks, method="l1", seed=seed,
    ...         series={"test_accuracy": np.array([0.9, 0.8, 0.5 + 0.1 * seed])},
    ...     )
    ...     for seed in (0, 1)
    ... ]
    >>> row = accuracy(*runs).rows()[-1]
    >>> row["group"], row["sparsity"], row["n"], round(row["accuracy"], 3), row["differ"]
    ('l1', 0.75, 2, 0.55, 'seed')
    """
    keys = None if group_by is None else keys_from(group_by)
    cells: dict[tuple[str, int], list[tuple[Run, float]]] = {}
    sources = [one if isinstance(one, tuple) else (one, None) for one in runs]
    names = _names(sources, keys)
    for name, (run, fixed) in zip(names, sources, strict=True):
        for t, value in _measured(run):
            if fixed in (None, t):
                cells.setdefault((name, t), []).append((run, value))
    if not cells:
        raise NotFoundError(
            "no test accuracy is recorded",
            code="no-accuracy",
            place=sources[0][0].label if sources else "",
            consequence="there is nothing to average",
            hint="runs that maskstat prune made have it",
        )
    order = {name: index for index, name in enumerate(dict.fromkeys(names))}
    rows = [
        _row(name, t, cells[name, t])
        for name, t in sorted(cells, key=lambda cell: (order[cell[0]], cell[1]))
    ]
    return Table(
        schema="maskstat.accuracy/1",
        columns=ACCURACY_COLUMNS,
        data={name: [row[name] for row in rows] for name in ACCURACY_COLUMNS},
        inputs=[
            {"path": run.label, "model": run.model, "dataset": run.dataset, "method": run.method}
            for run, _ in sources
        ],
        parameters={"group_by": group_by, "band": "half-sd", "groups": names},
    )


def half_sd_band(
    values: Sequence[float],
) -> tuple[float | None, float | None, float | None, float | None]:
    """Return the mean of shares, their standard deviation, and half of it each way.

    Parameters
    ----------
    values
        Shares, 0 to 1.

    Returns
    -------
    tuple of float or None
        Mean, sd (n - 1 below), low and high inside 0 to 1. What does not exist is None: all for no
        values, the last three for one.

    Notes
    -----
    Paganini & Forde (2020), section 3.

    Examples
    --------
    >>> half_sd_band([0.5, 0.5]), half_sd_band([0.25])
    ((0.5, 0.0, 0.5, 0.5), (0.25, None, None, None))
    """
    if not values:
        return None, None, None, None
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None, None, None
    sd = stdev(values)
    return mean, sd, max(mean - sd / 2, 0.0), min(mean + sd / 2, 1.0)


def _names(sources: Sequence[tuple[Run, int | None]], keys: tuple[str, ...] | None) -> list[str]:
    """Name the group of every run."""
    if keys is not None:
        return [group_name(run, keys) for run, _ in sources]
    names = [run.label for run, _ in sources]
    return [
        name if names.count(name) == 1 else f"{name}#{index + 1}"
        for index, name in enumerate(names)
    ]


def _measured(run: Run) -> list[tuple[int, float]]:
    """Return the iterations of a run with its accuracy, where there is one."""
    values = np.asarray(run.series.get("test_accuracy", ()), np.float64)
    if values.ndim != 1:
        return []
    pairs = zip(range(run.n_iterations), values.tolist(), strict=False)
    return [(t, value) for t, value in pairs if math.isfinite(value)]


def _row(name: str, iteration: int, cell: Sequence[tuple[Run, float]]) -> dict[str, Cell]:
    runs = [run for run, _ in cell]
    size = runs[0].layout.size
    other = next((run for run in runs if run.layout.size != size), None)
    if other is not None:
        raise UsageError(
            f"networks of {size:,} and of {other.layout.size:,} weights are in one group",
            code="mixed-group",
            place=other.label,
            consequence=f"their accuracies cannot be averaged as '{name}'",
            hint="--group-by method,model, or choose runs with --select",
        )
    kept = sum(int(run.kept[iteration].sum()) for run in runs) / len(runs)
    mean, sd, low, high = half_sd_band([value for _, value in cell])
    return {
        "group": name,
        "iteration": iteration,
        "size": size,
        "kept": int(kept) if kept.is_integer() else kept,
        "density": kept / size,
        "sparsity": 1 - kept / size,
        "n": len(runs),
        "differ": what_differs(runs) or None,
        "accuracy": mean,
        "sd": sd,
        "low": low,
        "high": high,
    }
