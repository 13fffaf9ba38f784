"""Runs with their stored outputs on one data set, read a tile of examples at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskstat.bits import IntArray
from maskstat.errors import InputError, LayoutMismatchError, NotFoundError, UsageError, closest
from maskstat.run import ArraySource, Outputs, Run
from maskstat.stats.comparands import Comparand, Subject, each_alone

__all__ = ["Evaluated", "OutputRows", "evaluated", "true_classes"]


@dataclass(frozen=True, slots=True)
class OutputRows:
    """The outputs of one iteration, (n_examples, n_classes), read where they are sliced.

    Parameters
    ----------
    logits : (n_stored, n_examples, n_classes)
        Outputs of several iterations.
    row
        Which of them.
    place
        Where they are stored, for errors.
    """

    logits: ArraySource
    row: int
    place: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Examples, outputs each."""
        return tuple(self.logits.shape[1:])

    def __getitem__(self, rows: slice, /) -> Any:
        """Read some examples."""
        return self.logits[self.row, rows]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """One input with the outputs of its chosen iterations.

    Parameters
    ----------
    source
        The input.
    outputs
        What it has stored on the data set.
    """

    source: Comparand
    outputs: Outputs

    @property
    def iterations(self) -> list[int]:
        """The chosen iterations."""
        return [t for t in self.source.masks if t is not None]

    def rows(self, iteration: int) -> OutputRows:
        """Return the outputs of one of the chosen iterations."""
        row = self.outputs.iterations.index(iteration)
        return OutputRows(self.outputs.logits, row, f"{self.source.label}@{iteration}")


def evaluated(
    subjects: Sequence[Subject], *, iteration: str | int = "last", dataset: str | None = None
) -> tuple[str, list[Evaluated]]:
    """Find the outputs of every subject on the same examples.

    Parameters
    ----------
    subjects
        Runs that store outputs, or such runs with an iteration. Their networks may differ.
    iteration
        ``last``, ``all``, a number or a range ``A-B``.
    dataset
        Data set by name; None takes the one that all have.

    Returns
    -------
    tuple of str and list of Evaluated
        The data set's name, and the subjects.

    Raises
    ------
    NotFoundError
        A run has no outputs, none on this data set, or none at an iteration.
    LayoutMismatchError
        The outputs are not on the same examples, or not of as many classes.
    UsageError
        All have outputs on several data sets and none is named.
    """
    sources = each_alone(subjects, iteration=iteration)
    runs = [_run_with_outputs(source) for source in sources]
    name = _dataset(runs, dataset)
    found = [
        Evaluated(source, run.outputs[name]) for source, run in zip(sources, runs, strict=True)
    ]
    for one in found:
        _check(one, found[0])
    _check_classes(found, name)
    return name, found


def true_classes(found: Sequence[Evaluated]) -> IntArray | None:
    """Return the labels of the examples, if any of the inputs has stored them."""
    return next((one.outputs.labels for one in found if one.outputs.labels is not None), None)


def _run_with_outputs(source: Comparand) -> Run:
    if source.run is None or not source.run.outputs:
        raise NotFoundError(
            "no outputs are stored",
            code="no-outputs",
            place=source.label,
            consequence="there is nothing to compare",
            hint="maskstat prune --save-outputs",
        )
    return source.run


def _dataset(runs: Sequence[Run], wanted: str | None) -> str:
    """Settle which data set's outputs are compared."""
    if wanted is not None:
        for run in runs:
            if wanted not in run.outputs:
                raise NotFoundError(
                    f"no outputs on '{wanted}' are stored",
                    code="no-outputs",
                    place=run.label,
                    consequence=closest(wanted, run.outputs),
                )
        return wanted
    common = list(runs[0].outputs)
    for run in runs[1:]:
        before, common = common, [name for name in common if name in run.outputs]
        if not common:
            raise NotFoundError(
                f"its outputs are on {', '.join(run.outputs)}",
                code="no-outputs",
                place=run.label,
                consequence=f"the inputs before it have theirs on {', '.join(before)}",
                hint="compare outputs on the same examples",
            )
    if len(common) > 1:
        raise UsageError(
            f"there are outputs on {len(common)} data sets",
            code="several-datasets",
            place="--dataset",
            consequence=f"name one of {', '.join(common)}",
            hint=f"--dataset {common[0]}",
        )
    return common[0]


def _check(one: Evaluated, first: Evaluated) -> None:
    """Refuse outputs that are not there, or not on the first one's examples."""
    label = one.source.label
    missing = [t for t in one.iterations if t not in one.outputs.iterations]
    if missing:
        raise NotFoundError(
            f"no outputs are stored at iteration {missing[0]}",
            code="no-outputs",
            place=label,
            consequence=f"stored for iterations {list(one.outputs.iterations)}",
        )
    shape, wanted = (tuple(e.outputs.logits.shape[1:]) for e in (one, first))
    if len(shape) != 2:
        raise InputError(
            f"outputs of shape {shape}",
            code="outputs-shape",
            place=label,
            consequence="they have to be examples by outputs",
        )
    if shape != wanted:
        raise LayoutMismatchError(
            f"{shape[0]} examples by {shape[1]} classes, in {first.source.label} "
            f"{wanted[0]} by {wanted[1]}",
            code="shape-mismatch",
            place=label,
            consequence="only outputs on the same examples can be compared",
        )


def _check_classes(found: Sequence[Evaluated], name: str) -> None:
    """Refuse other true classes than those of the first input that stores them."""
    stored = [(one, one.outputs.labels) for one in found if one.outputs.labels is not None]
    for one, labels in stored[1:]:
        first, wanted = stored[0]
        if not np.array_equal(labels, wanted):
            raise LayoutMismatchError(
                f"the true classes on '{name}' are others than in {first.source.label}",
                code="other-examples",
                place=one.source.label,
                consequence="the outputs are not on the same examples",
            )
