"""What several networks reach together: the accuracy of their ensemble beside each one's own."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from maskstat.bits import IntArray
from maskstat.errors import NotFoundError, UsageError
from maskstat.stats.comparands import Subject
from maskstat.stats.evaluated import Evaluated, evaluated, true_classes
from maskstat.stats.prediction_agreement import ensemble_accuracy
from maskstat.table import Cell, Column, Table

__all__ = ["ENSEMBLE_COLUMNS", "ensemble"]

ENSEMBLE_COLUMNS = {
    "iteration": Column("integer", "pruning iteration; empty for an ensemble of several"),
    "dataset": Column("text", "data set of the examples"),
    "network": Column("text", "input, or 'ensemble' for all of them together"),
    "rule": Column("text", "alone, mean-probability or majority-vote"),
    "members": Column("integer", "networks whose outputs are combined"),
    "n": Column("integer", "examples"),
    "correct": Column("integer", "examples that are predicted right"),
    "accuracy": Column("number", "correct / n"),
    "over_mean": Column("number", "accuracy minus the members' mean accuracy"),
    "over_best": Column("number", "accuracy minus the best member's accuracy"),
}


def ensemble(
    *subjects: Subject, iteration: str | int = "last", dataset: str | None = None
) -> Table:
    """Combine the predictions of all networks and count how often they are right.

    Parameters
    ----------
    *subjects
        Two or more runs that store outputs and true classes, or such runs with an iteration.
    iteration
        ``last``, ``all``, a number or a range ``A-B``. Several iterations make an ensemble each,
        of the networks that have them.
    dataset
        Data set by name; None takes the one that all have.

    Returns
    -------
    Table
        A row a member, then the ensemble's by both rules.

    Raises
    ------
    UsageError
        Fewer than two networks.
    NotFoundError
        Outputs or true classes are not stored.
    LayoutMismatchError
        The outputs are not on the same examples.

    Notes
    -----
    Paganini & Forde (2020), 4.1.1, propose to ensemble the tickets that different prunings find.
    Mean probability: the class of the largest mean softmax probability. Majority vote: the class
    that most members predict; ties go to the larger mean probability.

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Outputs, Run
    >>> def run(name, classes):
    ...     logits = np.eye(3, dtype=np.float32)[None, classes]
    ...     stored = Outputs(logits=logits, iterations=(1,), labels=np.array([0, 1, 2]))
    ...     mask = Mask.from_arrays({"fc": [1, 0]})
    ...     return Run.from_masks(name, [mask], outputs={"toy": stored})
    >>> table = ensemble(run("a", [0, 1, 0]), run("b", [0, 0, 2]), run("c", [1, 1, 2]))
    >>> [(row["network"], row["rule"], row["correct"]) for row in table][2:]
    [('c', 'alone', 2), ('ensemble', 'mean-probability', 3), ('ensemble', 'majority-vote', 3)]
    """
    name, found = evaluated(subjects, iteration=iteration, dataset=dataset)
    labels = true_classes(found)
    if labels is None:
        raise NotFoundError(
            f"the true classes on '{name}' are not stored",
            code="no-labels",
            place=found[0].source.label,
            consequence="no accuracy can be counted",
        )
    rows: list[dict[str, Cell]] = []
    for members in _ensembles(found):
        rows.extend({"dataset": name, **row} for row in _rows(found, members, labels))
    return Table(
        schema="maskstat.ensemble/1",
        columns=ENSEMBLE_COLUMNS,
        data={column: [row[column] for row in rows] for column in ENSEMBLE_COLUMNS},
        inputs=[one.source.record() for one in found],
        parameters={"iteration": str(iteration), "dataset": name},
    )


def _ensembles(found: Sequence[Evaluated]) -> list[list[tuple[int, int]]]:
    """Lay out ensembles as (input, iteration): one of each input, or one an iteration."""
    if all(len(one.iterations) == 1 for one in found):
        groups = [[(i, one.iterations[0]) for i, one in enumerate(found)]]
    else:
        everywhere = sorted({t for one in found for t in one.iterations})
        groups = [
            [(i, t) for i, one in enumerate(found) if t in one.iterations] for t in everywhere
        ]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        raise UsageError(
            "there are no two networks to combine",
            code="too-few-networks",
            consequence="an ensemble takes two or more",
            hint="maskstat outputs --ensemble a.h5 b.h5",
        )
    return groups


def _rows(
    found: Sequence[Evaluated], members: Sequence[tuple[int, int]], labels: IntArray
) -> list[dict[str, Cell]]:
    result = ensemble_accuracy([found[i].rows(t) for i, t in members], labels)
    mean, best = fmean(result.member_accuracies), max(result.member_accuracies)
    iterations = {t for _, t in members}

    def row(
        network: str, rule: str, *, correct: int, count: int, iteration: int | None
    ) -> dict[str, Cell]:
        accuracy = correct / result.n
        return {
            "iteration": iteration,
            "network": network,
            "rule": rule,
            "members": count,
            "n": result.n,
            "correct": correct,
            "accuracy": accuracy,
            "over_mean": accuracy - mean,
            "over_best": accuracy - best,
        }

    common = iterations.pop() if len(iterations) == 1 else None
    together = {
        "mean-probability": result.correct_mean_probability,
        "majority-vote": result.correct_majority_vote,
    }
    return [
        *(
            row(found[i].source.label, "alone", correct=correct, count=1, iteration=t)
            for (i, t), correct in zip(members, result.correct_members, strict=True)
        ),
        *(
            row("ensemble", rule, correct=correct, count=len(members), iteration=common)
            for rule, correct in together.items()
        ),
    ]
