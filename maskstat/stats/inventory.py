"""What runs hold: layers with their sparsity, and runs with where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from maskstat.run import Run
from maskstat.selection import parse_iterations
from maskstat.table import Cell, Column, Table

__all__ = ["LAYER_COLUMNS", "RUN_COLUMNS", "describe", "list_runs"]

LAYER_COLUMNS = {
    "run": Column("text", "where the run was read from"),
    "iteration": Column("integer", "pruning iteration; 0 is the dense network"),
    "layer": Column("text", "layer, or 'total' for all of them"),
    "shape": Column("text", "shape of the weight tensor, e.g. 120x400"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("integer", "weights kept"),
    "density": Column("number", "kept / size"),
    "sparsity": Column("number", "1 - density"),
    "dead_outputs": Column("integer", "output channels or units with no weight kept"),
    "validation_accuracy": Column("number", "of the network trained under this mask; totals only"),
    "test_accuracy": Column("number", "of the network trained under this mask; totals only"),
}

RUN_COLUMNS = {
    "path": Column("text", "where the run was read from"),
    "run": Column("text", "name inside the archive"),
    "status": Column("text", "complete, partial or failed"),
    "model": Column("text", "network"),
    "dataset": Column("text", "task"),
    "method": Column("text", "pruning method"),
    "seed": Column("integer", "base seed"),
    "replicate": Column("integer", "repetition under that seed, where randomness is not fixed"),
    "iterations": Column("integer", "prunings done; the dense iteration is not counted"),
    "layers": Column("integer", "prunable layers"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("integer", "weights kept after the last pruning"),
    "density": Column("number", "kept / size"),
    "test_accuracy": Column("number", "at the last iteration"),
    "digest": Column("text", "SHA-256 of the run's content"),
}


def describe(
    *runs: Run | tuple[Run, int | None], iteration: str | int = "last", layers: Sequence[str] = ()
) -> Table:
    """Tabulate kept weights and sparsity, layer by layer.

    Parameters
    ----------
    *runs
        Runs, or runs with an iteration, which outranks the next parameter.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    layers
        Globs of the layers to look at; none means all. The total is over these.

    Returns
    -------
    Table
        A row a run, iteration and layer, then the total.

    Raises
    ------
    NotFoundError
        There is no such iteration or layer.
    """
    rows: list[dict[str, Cell]] = []
    for entry in runs:
        run, fixed = entry if isinstance(entry, tuple) else (entry, None)
        iterations = (
            parse_iterations(str(iteration), run.n_iterations, place=run.label)
            if fixed is None
            else [fixed]
        )
        chosen = run.layout.select(layers) if layers else list(range(len(run.layout.layers)))
        for t in iterations:
            rows.extend(_layer_rows(run, t, chosen))
    return Table(
        schema="maskstat.info/1",
        columns=LAYER_COLUMNS,
        data={name: [row[name] for row in rows] for name in LAYER_COLUMNS},
        inputs=[_identity(entry[0] if isinstance(entry, tuple) else entry) for entry in runs],
        parameters={"iteration": str(iteration), "layers": list(layers)},
    )


def _layer_rows(run: Run, iteration: int, chosen: Sequence[int]) -> list[dict[str, Cell]]:
    mask = run.mask(iteration)
    rows: list[dict[str, Cell]] = []
    dead = 0
    for index in chosen:
        layer = run.layout.layers[index]
        alive = mask.layer(layer.name).reshape(layer.shape[0], -1).any(axis=1)
        dead += int(alive.size - alive.sum())
        rows.append(
            {
                **_counts(run, iteration, layer.size, int(mask.kept[index])),
                "layer": layer.name,
                "shape": "x".join(map(str, layer.shape)),
                "dead_outputs": int(alive.size - alive.sum()),
                "validation_accuracy": None,
                "test_accuracy": None,
            }
        )
    size = sum(run.layout.layers[index].size for index in chosen)
    kept = int(mask.kept[list(chosen)].sum())
    rows.append(
        {
            **_counts(run, iteration, size, kept),
            "layer": "total",
            "shape": None,
            "dead_outputs": dead,
            "validation_accuracy": _at(run, "validation_accuracy", iteration),
            "test_accuracy": _at(run, "test_accuracy", iteration),
        }
    )
    return rows


def _counts(run: Run, iteration: int, size: int, kept: int) -> dict[str, Cell]:
    return {
        "run": run.label,
        "iteration": iteration,
        "size": size,
        "kept": kept,
        "density": kept / size,
        "sparsity": 1 - kept / size,
    }


def _at(run: Run, name: str, iteration: int) -> float | None:
    """Return a measured series' value at one iteration, where there is one."""
    values = run.series.get(name)
    if values is None or np.ndim(values) != 1 or not -len(values) <= iteration < len(values):
        return None
    return float(values[iteration])


def _identity(run: Run) -> dict[str, object]:
    """Everything known about a run beside its numbers, JSON-ready."""
    return {
        "path": run.label,
        "run": run.run_id,
        "digest": run.digest or None,
        "status": run.status,
        "model": run.model,
        "dataset": run.dataset,
        "method": run.method,
        "seed": run.seed,
        "replicate": run.replicate,
        "iterations": run.n_iterations - 1,
        "weights": {kind: list(stored.iterations) for kind, stored in run.weights.items()},
        "outputs": list(run.outputs),
        "series": list(run.series),
        "provenance": dict(run.provenance),
        "clock": dict(run.clock),
    }


def list_runs(runs: Iterable[Run]) -> Table:
    """Tabulate runs, one a row.

    Parameters
    ----------
    runs
        The runs.

    Returns
    -------
    Table
    """
    rows: list[dict[str, Cell]] = []
    for run in runs:
        kept = int(run.kept[-1].sum())
        rows.append(
            {
                "path": run.label.removesuffix(f"::{run.run_id}"),
                "run": run.run_id,
                "status": run.status,
                "model": run.model,
                "dataset": run.dataset,
                "method": run.method,
                "seed": run.seed,
                "replicate": run.replicate,
                "iterations": run.n_iterations - 1,
                "layers": len(run.layout.layers),
                "size": run.layout.size,
                "kept": kept,
                "density": kept / run.layout.size,
                "test_accuracy": _at(run, "test_accuracy", run.n_iterations - 1),
                "digest": run.digest,
            }
        )
    return Table(
        schema="maskstat.list/1",
        columns=RUN_COLUMNS,
        data={name: [row[name] for row in rows] for name in RUN_COLUMNS},
    )
