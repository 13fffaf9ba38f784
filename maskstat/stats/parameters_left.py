"""Parameters left: all that a network still has after each pruning, explicitly and effectively."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from statistics import stdev
from typing import TypeAlias

from maskstat.errors import UsageError
from maskstat.run import Run
from maskstat.stats.connect import connectivity
from maskstat.stats.run_keys import group_name, keys_from, what_differs
from maskstat.table import Cell, Column, Table

__all__ = ["PARAMETER_COLUMNS", "parameters_left"]

Source: TypeAlias = Run | tuple[Run, int | None]

PARAMETER_COLUMNS = {
    "group": Column("text", "what the runs have in common"),
    "iteration": Column("integer", "pruning iteration; Paganini & Forde's Table 1 counts from 0"),
    "n": Column("integer", "runs that the row is over"),
    "differ": Column("text", "what these runs differ in, e.g. 'seed'; empty for one run"),
    "parameters": Column("integer", "all learned parameters of the dense network"),
    "unpruned": Column("integer", "of them, those that are never pruned: biases, normalization"),
    "left": Column("number", "unpruned, and weights that the mask keeps; mean over the runs"),
    "effective": Column("number", "unpruned, and kept weights that reach the output; mean"),
    "effective_sd": Column("number", "standard deviation of that over the runs (n - 1 below)"),
    "effective_both": Column(
        "number", "unpruned, and kept weights on a path from the input to the output; mean"
    ),
}

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""What a state dict holds besides parameters."""


def parameters_left(*runs: Source, group_by: str = "model") -> Table:
    """Count the parameters of pruned networks, those of no effect apart.

    Parameters
    ----------
    *runs
        Runs, or runs with the iteration that alone is looked at.
    group_by
        What the runs of a row have in common, as in `maskstat.stats.accuracy.accuracy`.

    Returns
    -------
    Table
        A row a group and pruning iteration, from 1.

    Raises
    ------
    UsageError
        There is no such key, a run does not have it, or networks of different sizes would be
        averaged.
    InputError
        ``bad-graph``: a run stores no network, and its layers do not make a chain.

    Notes
    -----
    Paganini & Forde (2020), Table 1: s is `left`, s_eff `effective` (Appendix C: weights "not
    disconnected from the output"), row t of the table iteration t + 1 here. Layer by layer pruning
    of a fifth gives s from the shapes alone, see `maskstat.stats.schedule_counts`. Biases and
    normalization count in full, those of dead channels too.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> mask = Mask.from_arrays({"fc1": [[1, 1], [1, 0]], "fc2": [[1, 0]]})
    >>> run = Run.from_masks("mine", [mask], model="tiny")
    >>> row = parameters_left(run).rows()[0]
    >>> row["parameters"], row["left"], row["effective"], row["effective_both"]
    (6, 4, 3, 3)
    """
    keys = keys_from(group_by)
    cells: dict[tuple[str, int], list[tuple[Run, int, int, int]]] = {}
    sources = [one if isinstance(one, tuple) else (one, None) for one in runs]
    for run, fixed in sources:
        name = group_name(run, keys)
        for t in range(1, run.n_iterations) if fixed is None else [fixed]:
            cells.setdefault((name, t), []).append((run, *_counts(run, t)))
    rows = [_row(name, t, cell) for (name, t), cell in cells.items()]
    return Table(
        schema="maskstat.parameters/1",
        columns=PARAMETER_COLUMNS,
        data={name: [row[name] for row in rows] for name in PARAMETER_COLUMNS},
        inputs=[
            {"path": run.label, "model": run.model, "dataset": run.dataset, "method": run.method}
            for run, _ in sources
        ],
        parameters={"group_by": group_by},
    )


def _unpruned(run: Run) -> int:
    return sum(part.size for part in run.layout.others if not part.name.endswith(_BUFFERS))


def _counts(run: Run, iteration: int) -> tuple[int, int, int]:
    """Return the weights kept, of them those that reach the output, and those on a whole path."""
    kept = int(run.kept[iteration].sum())
    if run.effective is not None:
        output, both = (int(n) for n in run.effective[iteration].sum(axis=0))
        return kept, output, both
    (total,) = connectivity((run, iteration)).where(layer="total")
    reaching, on_path = total["effective_output"], total["effective_both"]
    assert isinstance(reaching, int)
    assert isinstance(on_path, int)
    return kept, reaching, on_path


def _row(name: str, iteration: int, cell: Sequence[tuple[Run, int, int, int]]) -> dict[str, Cell]:
    runs = [run for run, *_ in cell]
    size, unpruned = runs[0].layout.size, _unpruned(runs[0])
    for run in runs[1:]:
        if (run.layout.size, _unpruned(run)) != (size, unpruned):
            raise UsageError(
                f"it has {run.layout.size + _unpruned(run):,} parameters, "
                f"{runs[0].label} {size + unpruned:,}",
                code="mixed-group",
                place=run.label,
                consequence=f"they cannot be averaged as '{name}'",
                hint="--group-by model,dataset",
            )
    kept, output, both = ([unpruned + counts[i] for _, *counts in cell] for i in range(3))
    return {
        "group": name,
        "iteration": iteration,
        "n": len(cell),
        "differ": what_differs(runs) or None,
        "parameters": size + unpruned,
        "unpruned": unpruned,
        "left": _mean(kept),
        "effective": _mean(output),
        "effective_sd": stdev(output) if len(output) > 1 else None,
        "effective_both": _mean(both),
    }


def _mean(numbers: Sequence[int]) -> int | float:
    """Return a mean, an integer where it is one."""
    total = sum(numbers)
    return total // len(numbers) if total % len(numbers) == 0 else fsum(numbers) / len(numbers)
