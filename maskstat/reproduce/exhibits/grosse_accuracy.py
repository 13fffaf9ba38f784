"""Grosse & Backes (2020): accuracies as pruning goes on, Figures 1b and 7a."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.stats.accuracy import accuracy

__all__ = ["EXHIBITS"]


def _accuracies(evidence: Evidence, role: str) -> Iterator[Drawing]:
    from maskstat.figures.accuracy import accuracy_over_sparsity

    for case in evidence.cases:
        runs = evidence.runs(role, case)
        if not runs:
            continue
        table = accuracy(*runs, group_by="seed")
        each = accuracy(*runs, group_by=None)
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: test accuracy of {len(runs)} runs; thick, the mean over the "
            "runs of one initialization.",
            table=each,
            draw=partial(accuracy_over_sparsity, table, each=each, scale="linear"),
            gaps=gaps(evidence.of(role, case)),
        )


EXHIBITS = [
    Exhibit(
        key="1b",
        title="accuracy over pruning steps, randomness not fixed",
        says="The small networks perform best in pruning steps one and two and decrease "
        "afterwards; ResNet18 performs best in iterations one to three.",
        roles=("unfixed",),
        build=partial(_accuracies, role="unfixed"),
    ),
    Exhibit(
        key="7a",
        title="accuracy over pruning steps, randomness partially fixed",
        says="Accuracies are overall higher than without fixing, increase at the first pruning "
        "step, and decrease after the third.",
        roles=("partial",),
        build=partial(_accuracies, role="partial"),
    ),
]
