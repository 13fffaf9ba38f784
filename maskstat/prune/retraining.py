"""Retraining: what tickets reached on tasks, tabulated with bands over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import stdev
from typing import Any, Literal, TypeAlias

from maskstat.errors import InputError, TrainingError, UsageError
from maskstat.run import Run
from maskstat.table import Cell, Column, Table

__all__ = ["RETRAIN_COLUMNS", "GroupBy", "Retraining", "tabulate"]

GroupBy: TypeAlias = Literal["ticket", "source"]

RETRAIN_COLUMNS = {
    "ticket": Column("text", "where the ticket was read from; empty for groups by source"),
    "kind": Column("text", "bespoke (pruned on a task), consensus or random"),
    "sourced_on": Column(
        "text", "tasks that the ticket was found on; of a random one, those of its layers' counts"
    ),
    "model": Column("text", "network"),
    "method": Column("text", "how the ticket was found: a pruning method, or 'consensus'"),
    "iteration": Column("integer", "pruning iteration of the ticket"),
    "target": Column("text", "task that it was trained on"),
    "n": Column("integer", "trainings that the row is over: one a seed and ticket"),
    "failed": Column("integer", "trainings that came to nothing, not counted in n"),
    "size": Column("integer", "prunable weights"),
    "kept": Column("number", "weights kept; mean over the trainings' tickets"),
    "density": Column("number", "kept / size"),
    "epochs": Column("integer", "epochs of training; 0 evaluates at initialization"),
    "test_examples": Column("integer", "examples of the task's test set"),
    "test_accuracy": Column("number", "mean accuracy on the test set afterwards"),
    "sd": Column("number", "its standard deviation over the trainings (n - 1 below)"),
    "low": Column("number", "mean - sd / 2, at least 0: the band is one sd wide"),
    "high": Column("number", "mean + sd / 2, at most 1"),
    "validation_accuracy": Column("number", "mean accuracy on the validation part"),
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Retraining(Table):
    """Tickets by tasks, and the runs behind them.

    Parameters
    ----------
    runs
        One a ticket, task and seed; row 1 is the ticket, row 0 the dense mask, which was not
        trained.
    """

    runs: Sequence[Run]

    @property
    def failures(self) -> list[TrainingError]:
        """Why trainings came to nothing, one error for each that did."""
        return [_failure(run) for run in self.runs if run.status == "failed"]


def tabulate(runs: Sequence[Run], *, group_by: GroupBy = "ticket") -> Retraining:
    """Tabulate retrained runs, as `maskstat.retrain` returns them or as archives hold them.

    Parameters
    ----------
    runs
        Made by `maskstat.retrain`.
    group_by
        What is a row beside the task: a ``ticket``; or the ``source``, all tickets of one kind,
        found by one method at one iteration on the same tasks.

    Returns
    -------
    Retraining
        Rows in the order of their first runs.

    Raises
    ------
    InputError
        A run is none of a retrained ticket.
    UsageError
        There is no such grouping.

    Notes
    -----
    The band is one standard deviation wide, half up and half down from the mean, as in Paganini &
    Forde (2020), section 3: it describes the spread of single trainings, not the uncertainty of
    their mean.
    """
    if group_by not in ("ticket", "source"):
        raise UsageError(
            f"there is no grouping by '{group_by}'",
            code="unknown-group",
            place="--group-by",
            consequence="there are: ticket, source",
        )
    groups: dict[tuple[Any, ...], list[Run]] = {}
    inputs: dict[tuple[Any, ...], dict[str, Any]] = {}
    for run in runs:
        if run.provenance.get("kind") != "retrain":
            raise InputError(
                "it is no run of a retrained ticket",
                code="not-retrained",
                place=run.label,
                hint="maskstat retrain",
            )
        with _sound(run):
            groups.setdefault(_key(run, group_by), []).append(run)
            inputs[_ticket_key(run)] = dict(_parent(run))
    rows = []
    for group in groups.values():
        with _sound(group[0]):
            rows.append(_row(group, group_by))
    return Retraining(
        schema="maskstat.retrain/1",
        columns=RETRAIN_COLUMNS,
        data={name: [row[name] for row in rows] for name in RETRAIN_COLUMNS},
        inputs=list(inputs.values()),
        parameters={
            "group_by": group_by,
            "band": "half-sd",
            "seeds": sorted({run.seed for run in runs if run.seed is not None}),
        },
        runs=tuple(runs),
    )


@contextmanager
def _sound(run: Run) -> Iterator[None]:
    """Explain what a file's provenance or series lack."""
    try:
        yield
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"its provenance or series are not those of a retrained ticket: {error!r}",
            code="not-retrained",
            place=run.label,
        ) from error


def _parent(run: Run) -> Mapping[str, Any]:
    parent: Mapping[str, Any] = run.provenance["parents"][0]
    return parent


def _ticket_key(run: Run) -> tuple[Any, ...]:
    parent = _parent(run)
    return parent["path"], parent["run"], parent["digest"], *parent["iterations"]


def _sourced_on(run: Run) -> str:
    return "+".join(run.provenance["ticket"]["sourced_on"])


def _key(run: Run, group_by: GroupBy) -> tuple[Any, ...]:
    """Say what the runs of a row have in common."""
    parent, kind = _parent(run), run.provenance["ticket"]["kind"]
    source = (parent["method"], _sourced_on(run), run.model, run.layout, *parent["iterations"])
    ticket = _ticket_key(run) if group_by == "ticket" else source
    return kind, ticket, run.dataset, run.provenance["settings"]["train"]["epochs"]


def _row(runs: Sequence[Run], group_by: GroupBy) -> dict[str, Cell]:
    first = runs[0]
    parent, provenance = _parent(first), first.provenance
    whole = [run for run in runs if run.status == "complete"]
    accuracy = [float(run.series["test_accuracy"][1]) for run in whole]
    validation = [float(run.series["validation_accuracy"][1]) for run in whole]
    kept = sum(int(run.kept[1].sum()) for run in runs) / len(runs)
    mean, sd, low, high = _band(accuracy)
    return {
        "ticket": parent["path"] if group_by == "ticket" else None,
        "kind": provenance["ticket"]["kind"],
        "sourced_on": _sourced_on(first),
        "model": first.model,
        "method": parent["method"],
        "iteration": parent["iterations"][0],
        "target": first.dataset,
        "n": len(whole),
        "failed": len(runs) - len(whole),
        "size": first.layout.size,
        "kept": int(kept) if kept.is_integer() else kept,
        "density": kept / first.layout.size,
        "epochs": provenance["settings"]["train"]["epochs"],
        "test_examples": provenance["dataset"]["test"],
        "test_accuracy": mean,
        "sd": sd,
        "low": low,
        "high": high,
        "validation_accuracy": math.fsum(validation) / len(validation) if validation else None,
    }


def _band(values: Sequence[float]) -> tuple[float | None, float | None, float | None, float | None]:
    """Return mean, standard deviation, and half of it each way."""
    if not values:
        return None, None, None, None
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None, None, None
    sd = stdev(values)  # exact: 0 for values that are all the same
    return mean, sd, max(mean - sd / 2, 0.0), min(mean + sd / 2, 1.0)


def _failure(run: Run) -> TrainingError:
    stored = run.provenance.get("failure")
    told = stored if isinstance(stored, Mapping) else {}
    return TrainingError(
        str(told.get("message", "it came to nothing")),
        code=str(told.get("code", "training-failed")),
        place=run.run_id,
        consequence="its cell is empty; the other trainings are not affected",
        hint=str(told.get("try", "")),
    )
