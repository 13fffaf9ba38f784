"""How alike are what networks compute? Outputs of runs on the same examples, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

from maskstat.bits import IntArray
from maskstat.errors import UsageError
from maskstat.stats.comparands import Subject
from maskstat.stats.evaluated import Evaluated, OutputRows, evaluated, true_classes
from maskstat.stats.output_similarity import linear_cka, output_distance
from maskstat.stats.pairs import parse_pairs
from maskstat.stats.prediction_agreement import agreement, error_consistency
from maskstat.table import Cell, Column, Table

__all__ = ["OUTPUT_COLUMNS", "SELDOM", "outputs"]

OUTPUT_COLUMNS = {
    "a": Column("text", "first input"),
    "b": Column("text", "second input"),
    "iteration_a": Column("integer", "pruning iteration of the first network"),
    "iteration_b": Column("integer", "pruning iteration of the second network"),
    "dataset": Column("text", "data set of the examples"),
    "n": Column("integer", "examples"),
    "cka": Column("number", "linear CKA, debiased: may lie below 0 or above 1"),
    "cka_biased": Column("number", "linear CKA as in most papers; near 1 for few examples"),
    "l2": Column("number", "Euclidean distance of all outputs; grows with the root of n"),
    "rms": Column("number", "root mean square over examples of their Euclidean distance"),
    "scale": Column("number", "the same root mean square of the outputs themselves, both pooled"),
    "equal": Column("flag", "whether rms is at most 1e-5 of scale: the same function"),
    "agreeing": Column("integer", "examples for which both predict the same class"),
    "agreement": Column("number", "agreeing / n"),
    "expected_agreement": Column("number", "by chance, from how often each predicts each class"),
    "kappa": Column("number", "(agreement - expected) / (1 - expected)"),
    "accuracy_a": Column("number", "share of examples that the first gets right"),
    "accuracy_b": Column("number", "share of examples that the second gets right"),
    "correct_both": Column("integer", "examples that both get right"),
    "error_agreement": Column("number", "share of examples that both get right or both wrong"),
    "expected_error_agreement": Column("number", "by chance, from the two accuracies"),
    "error_kappa": Column("number", "error consistency: agreement of errors beyond chance"),
    "note": Column("text", "why CKA is missing: n<4, constant, no-pair"),
}

SELDOM = (
    "dataset", "cka_biased", "l2", "scale", "agreeing", "expected_agreement", "correct_both",
    "error_agreement", "expected_error_agreement",
)  # fmt: skip
"""Columns that a terminal's table leaves out."""


def outputs(
    *subjects: Subject,
    iteration: str | int = "last",
    dataset: str | None = None,
    center_rows: bool = False,
    pairs: str = "all",
) -> Table:
    """Compare the stored outputs of networks pair by pair.

    Parameters
    ----------
    *subjects
        Two or more runs that store outputs, or such runs with an iteration. Their networks may
        differ, the examples may not.
    iteration
        ``last``, ``all``, a number or a range ``A-B``. Several iterations are compared each with
        its own number in the other run.
    dataset
        Data set by name; None takes the one that all have.
    center_rows
        Take each example's mean output away before CKA. Softmax ignores it, CKA does not.
    pairs
        ``all``, ``first``, or positions from 1 such as ``1:2,1:3``.

    Returns
    -------
    Table
        A row a pair and iteration; what needs the true classes is empty where none are stored.

    Raises
    ------
    UsageError
        Fewer than two networks, or an option that cannot be used.
    NotFoundError
        Outputs are not stored.
    LayoutMismatchError
        The outputs are not on the same examples.

    Notes
    -----
    CKA: Kornblith et al. (2019), debiased as by Song et al. (2012). L2 and CKA of tickets: Grosse
    & Backes (2020), Appendix C. Agreement: Paganini & Forde (2020), Figure 11. Error consistency:
    Geirhos et al. (2020).

    Examples
    --------
    >>> import numpy as np
    >>> from maskstat.mask import Mask
    >>> from maskstat.run import Outputs, Run
    >>> def run(name, classes):
    ...     logits = np.eye(3, dtype=np.float32)[None, classes]
    ...     stored = Outputs(logits=logits, iterations=(1,), labels=np.array([0, 1, 2, 0]))
    ...     mask = Mask.from_arrays({"fc": [1, 0]})
    ...     return Run.from_masks(name, [mask], outputs={"toy": stored})
    >>> row = outputs(run("a", [0, 1, 2, 2]), run("b", [0, 1, 2, 0])).rows()[0]
    >>> row["agreement"], row["expected_agreement"], row["accuracy_a"], row["accuracy_b"]
    (0.75, 0.3125, 0.75, 1.0)
    """
    name, found = evaluated(subjects, iteration=iteration, dataset=dataset)
    if len(found) < 2:
        raise UsageError(
            f"{len(found)} network is given",
            code="too-few-networks",
            consequence="a comparison takes two or more",
            hint="maskstat outputs a.h5 b.h5, or a.h5@3 a.h5@7",
        )
    labels = true_classes(found)
    rows = [
        {
            "a": found[a].source.label,
            "b": found[b].source.label,
            "iteration_a": ta,
            "iteration_b": tb,
            "dataset": name,
            **_compared(found[a].rows(ta), found[b].rows(tb), labels, center_rows),
        }
        for a, ta, b, tb in _met(found, parse_pairs(pairs, len(found)))
    ]
    return Table(
        schema="maskstat.outputs/1",
        columns=OUTPUT_COLUMNS,
        data={column: [row[column] for row in rows] for column in OUTPUT_COLUMNS},
        inputs=[one.source.record() for one in found],
        parameters={
            "iteration": str(iteration),
            "dataset": name,
            "center_rows": center_rows,
            "pairs": pairs,
        },
    )


def _met(
    found: Sequence[Evaluated], pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int, int, int]]:
    """Pair the iterations of paired inputs as masks are paired, in order of iteration."""
    met = [
        (a, ta, b, tb)
        for a, b in pairs
        for ta in found[a].iterations
        for tb in found[b].iterations
        if ta == tb or found[a].source.fixed or found[b].source.fixed
    ]
    return sorted(met, key=lambda entry: entry[1])


def _compared(
    x: OutputRows, y: OutputRows, labels: IntArray | None, center_rows: bool
) -> dict[str, Cell]:
    cka = linear_cka(x, y, center_rows=center_rows)
    distance = output_distance(x, y)
    same = agreement(x, y)
    errors = None if labels is None else error_consistency(x, y, labels)
    return {
        "n": cka.n,
        "cka": cka.debiased,
        "cka_biased": cka.biased,
        "l2": distance.l2,
        "rms": distance.rms,
        "scale": distance.scale,
        "equal": distance.equal,
        "agreeing": same.agreeing,
        "agreement": same.fraction,
        "expected_agreement": same.expected,
        "kappa": same.kappa,
        "accuracy_a": errors.accuracy_a if errors else None,
        "accuracy_b": errors.accuracy_b if errors else None,
        "correct_both": errors.correct_both if errors else None,
        "error_agreement": errors.fraction if errors else None,
        "expected_error_agreement": errors.expected if errors else None,
        "error_kappa": errors.kappa if errors else None,
        "note": cka.reason,
    }
