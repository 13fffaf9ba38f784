"""What runs hold: layers with their sparsity, and runs with where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from maskstat.run import Run
from maskstat.selection import listed, parse_iterations
from maskstat.table import Cell, Column, Table

__all__ = ["LAYER_COLUMNS", "RUN_COLUMNS", "Hole", "describe", "list_runs"]

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
    "status": Column(
        "text", "complete, partial, failed; of a run that a sweep lacks, missing or damaged"
    ),
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
    "reason": Column("text", "why the run failed, or why its archive does not hold it"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A run that a sweep is to hold and does not.

    Parameters
    ----------
    path
        Where its archive is to be.
    run_id
        Its name inside.
    model, dataset, method, seed, replicate
        As in `maskstat.Run`.
    status
        ``missing``, or ``damaged`` where its archive cannot be read.
    reason
        Why, if something is in its place.
    """

    path: str
    run_id: str
    model: str
    dataset: str
    method: str
    seed: int
    replicate: int | None
    status: Literal["missing", "damaged"] = "missing"
    reason: str | None = None

    @property
    def label(self) -> str:
        """Where it is to be."""
        return self.path


def describe(
    *runs: Run | tuple[Run, int | None],
    iteration: str | int = "last",
    layers: str | Sequence[str] = (),
) -> Table:
    """Tabulate kept weights and sparsity, layer by layer.

    Parameters
    ----------
    *runs
        Runs, or runs with an iteration, which outranks the next parameter.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

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
        parameters={"iteration": str(iteration), "layers": listed(layers)},
    )


def _layer_rows(run: Run, iteration: int, chosen: Sequence[int]) -> list[dict[str, Cell]]:
    mask = run.mask(iteration)
    rows: list[dict[str, Cell]] = []
    dead = 0
    for index in chosen:
        layer = run.layout.layers[index]
        outputs = layer.shape[0] if layer.shape else 1
        alive = mask.layer(layer.name).reshape(outputs, -1).any(axis=1)
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


def list_runs(runs: Iterable[Run | Hole]) -> Table:
    """Tabulate runs, one a row.

    Parameters
    ----------
    runs
        The runs, and those that are not there.

    Returns
    -------
    Table
    """
    rows = [{**_origin(run), **(_content(run) if isinstance(run, Run) else {})} for run in runs]
    return Table(
        schema="maskstat.list/1",
        columns=RUN_COLUMNS,
        data={name: [row.get(name) for row in rows] for name in RUN_COLUMNS},
    )


def _origin(run: Run | Hole) -> dict[str, Cell]:
    """Say what a run is, whether it is there or not."""
    return {
        "path": run.label.removesuffix(f"::{run.run_id}"),
        "run": run.run_id,
        "status": run.status,
        "model": run.model,
        "dataset": run.dataset,
        "method": run.method,
        "seed": run.seed,
        "replicate": run.replicate,
        "reason": _failure(run) if isinstance(run, Run) else run.reason,
    }


def _content(run: Run) -> dict[str, Cell]:
    """Say what a run has come to."""
    kept = int(run.kept[-1].sum())
    return {
        "iterations": run.n_iterations - 1,
        "layers": len(run.layout.layers),
        "size": run.layout.size,
        "kept": kept,
        "density": kept / run.layout.size,
        "test_accuracy": _at(run, "test_accuracy", run.n_iterations - 1),
        "digest": run.digest,
    }


def _failure(run: Run) -> str | None:
    """Return why a run failed, as its provenance has it."""
    failure = run.provenance.get("failure")
    if not isinstance(failure, dict):
        return None
    return f"{failure.get('message')} (iteration {failure.get('iteration')})"
