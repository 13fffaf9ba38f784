"""Grosse & Backes (2020): rank correlations (5, 12), outputs (6, 9, 15), significance (11)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.exhibits.grosse_overlap import pairs_where, plotted
from maskstat.stats.compare import compare
from maskstat.stats.correlate import correlate
from maskstat.stats.outputs import outputs
from maskstat.stats.summary import summarize

__all__ = ["EXHIBITS"]


def _ranks(evidence: Evidence, role: str) -> Iterator[Drawing]:
    from maskstat.figures.ranks import rank_correlations

    for case in evidence.cases:
        runs = evidence.runs(role, case)
        for iteration in case.at.get("high", ()) if runs else ():
            table = correlate(*runs, iteration=iteration)
            shown = plotted(runs[0])
            drawn = correlate(*runs, iteration=iteration, layers=shown) if shown else table
            yield Drawing(
                name=case.name,
                caption=f"{case.title}, iteration {iteration} "
                f"({100 * runs[0].density(iteration):.3g} % kept): Spearman correlation of initial "
                f"and final weights in the ticket of each of {len(runs)} runs, beside the same "
                "weights and the whole layer in the dense network’s training.",
                table=table,
                draw=partial(rank_correlations, drawn, group_by="seed"),
                gaps=gaps(evidence.of(role, case)),
            )


def _similarity(
    evidence: Evidence, role: str, measures: tuple[str, ...], *, first_only: bool = False
) -> Iterator[Drawing]:
    from maskstat.figures.similarity import similarity_over_iterations

    cases = evidence.cases[:1] if first_only else evidence.cases
    for case in cases:
        runs = evidence.runs(role, case)
        if len(runs) < 2:
            continue
        table = outputs(*runs, iteration="all")
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: outputs of pairs of pruned networks on the test set, within "
            "and across initializations.",
            table=table,
            draw=partial(similarity_over_iterations, table, group_by="seed", measures=measures),
            gaps=gaps(evidence.of(role, case)),
        )


def _significant(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.significance import fraction_significant

    for case in evidence.cases:
        runs = evidence.runs("partial", case)
        pairs = pairs_where(runs, same=("seed",))
        if not pairs:
            continue
        compared = compare(*runs, iteration="all", pairs=pairs, layers=plotted(runs[0]))
        table = summarize(compared)
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: share of the pairs within an initialization whose overlap lies "
            "outside the central 95 % and 99 % of chance, beside its exact expectation.",
            table=table,
            draw=partial(fraction_significant, table),
            gaps=gaps(evidence.of("partial", case)),
        )


EXHIBITS = [
    Exhibit(
        key="5",
        title="rank correlation of initial and final weights, randomness not fixed",
        says="Correlations are centred around 0: between -0.7 and 0.6 in the last layer, -0.4 and "
        "0.4 in the first, -0.2 and 0.2 between them; ResNet18 is at 0 but for its last layer.",
        roles=("unfixed",),
        build=partial(_ranks, role="unfixed"),
    ),
    Exhibit(
        key="6",
        title="CKA within and across initializations, randomness not fixed",
        says="No two tickets yield the same output; the similarity is higher across seeds than "
        "within them.",
        roles=("unfixed",),
        build=partial(_similarity, role="unfixed", measures=("cka",), first_only=True),
    ),
    Exhibit(
        key="9",
        title="CKA and L2 within and across initializations, randomness not fixed",
        says="All networks are slightly more similar across seeds than within, by both measures; "
        "outputs diverge as pruning goes on.",
        roles=("unfixed",),
        build=partial(_similarity, role="unfixed", measures=("cka", "rms")),
    ),
    Exhibit(
        key="11",
        title="share of overlaps that are significant, randomness partially fixed",
        says="Almost always around 100 %, less in the first and last layers and for ResNet18 as "
        "pruning goes on (below 50 % in its last step).",
        roles=("partial",),
        build=_significant,
    ),
    Exhibit(
        key="12",
        title="rank correlation of initial and final weights, randomness partially fixed",
        says="All correlations are positive: above 0.65 on Fashion-MNIST, 0.7 to 1 on CIFAR-10, "
        "around 0.1 in ResNet18.",
        roles=("partial",),
        build=partial(_ranks, role="partial"),
        also=("7f",),
    ),
    Exhibit(
        key="15",
        title="CKA within and across initializations, randomness partially fixed",
        says="Similarities across seeds are lower than within them for the small networks.",
        roles=("partial",),
        build=partial(_similarity, role="partial", measures=("cka",)),
    ),
]
