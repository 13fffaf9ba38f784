"""Claims of Grosse & Backes (2020) about masks, each beside its control."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from statistics import stdev

from maskstat.reproduce.claim import Claim, Finding, too_few_runs
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibits.grosse2020_function_claims import FUNCTION_CLAIMS
from maskstat.reproduce.exhibits.grosse_beyond import divergence
from maskstat.reproduce.exhibits.grosse_overlap import pairs_where, with_siblings
from maskstat.reproduce.exhibits.measures import mean, overlap, plain
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.shared_kept import shared_and_never
from maskstat.stats.summary import summarize

__all__ = ["CLAIMS"]


def _chance(
    evidence: Evidence, *, role: str, at: str, within: bool, more: bool
) -> Iterator[Finding]:
    """Hold overlaps of one initialization, or of different ones, against chance.

    Across initializations one run of each is taken: runs of one initialization are alike, and pairs
    that they make with those of another would count the same thing several times.
    """
    for case in evidence.cases:
        runs = evidence.runs(role, case)
        for iteration in case.at.get(at, ())[:1] if evidence.of(role, case) else ():
            if within:
                found = overlap(runs, iteration=iteration, same=("seed",))
            else:
                first = {run.seed: run for run in reversed(runs)}
                found = overlap(list(first.values()), iteration=iteration, other=("seed",))
            if found is None:
                yield too_few_runs(case)
                continue
            yield Finding(
                case=case.title,
                ours=found.text,
                control=found.chance,
                holds=found.beyond_chance if more else not found.beyond_chance,
            )


def _across_tasks(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        others = evidence.runs("tasks", case)
        if not evidence.of("tasks", case):
            continue
        replicates = {run.replicate for run in others}
        own = [run for run in evidence.runs("partial", case) if run.replicate in replicates]
        iteration = case.at["tasks"][-1]
        runs = [*own, *others]
        found = overlap(runs, iteration=iteration, same=("seed",), other=("dataset",))
        apart = overlap(runs, iteration=iteration, other=("seed", "dataset"))
        if found is None or apart is None:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=found.text,
            control=f"{found.chance}; other tasks and other initializations: {apart.text}",
            holds=found.beyond_chance,
        )


def _kept_together(evidence: Evidence, *, kind: str) -> Iterator[Finding]:
    """Hold what all masks keep, or none, against the exact expectation."""
    for case in evidence.cases:
        runs = with_siblings(evidence.runs("unfixed", case))
        if not evidence.of("unfixed", case):
            continue
        if not runs:
            yield too_few_runs(case)
            continue
        iteration = case.at["low"][0]
        table = shared_and_never(*runs, group_by="seed", iteration=iteration)
        rows = table.where(layer="total", kind=kind)
        ours = mean(plain(rows, column="normalized"))
        expected = mean(plain(rows, column="normalized_expected"))
        sd = mean(plain(rows, column="normalized_sd"))
        within = sum(
            abs(float(row["normalized"] or 0) - float(row["normalized_expected"] or 0))
            <= 2 * float(row["normalized_sd"] or 0)
            for row in rows
        )
        yield Finding(
            case=case.title,
            ours=f"{100 * ours:.2f} % of the most possible, at iteration {iteration}; {within} of "
            f"{len(rows)} initializations within two sd of chance",
            control=f"exact expectation {100 * expected:.2f} ± {100 * sd:.2f} %",
            holds=within == len(rows),
        )


def _more_than_unfixed(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        if not (evidence.of("partial", case) and evidence.of("unfixed", case)):
            continue
        iteration = case.at["high"][0]
        free, held = (
            overlap(evidence.runs(role, case), iteration=iteration, same=("seed",))
            for role in ("unfixed", "partial")
        )
        if free is None or held is None:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"partially fixed: {held.text}",
            control=f"not fixed: {free.text}",
            holds=held.jaccard > free.jaccard,
        )


def _significance(evidence: Evidence) -> Iterator[Finding]:
    """Hold the share of significant overlaps at the first and the last step against each other."""
    for case in evidence.cases:
        runs = evidence.runs("partial", case)
        if not evidence.of("partial", case):
            continue
        pairs = pairs_where(runs, same=("seed",))
        if not pairs:
            yield too_few_runs(case)
            continue
        last = runs[0].n_iterations - 1
        ends = [
            summarize(compare(*runs, iteration=iteration, pairs=pairs)).rows()
            for iteration in (1, last)
        ]
        outer = runs[0].layout.names[0], runs[0].layout.names[-1]
        shares = [
            {str(row["layer"]): sum(plain([row["above95"], row["below95"]])) for row in rows}
            for rows in ends
        ]
        chance = [
            {
                str(row["layer"]): sum(plain([row["expected_above95"], row["expected_below95"]]))
                for row in rows
            }
            for rows in ends
        ]
        first = mean([share for name, share in shares[0].items() if name != "total"])
        fallen = any(shares[1][name] < shares[0][name] for name in outer)
        told = ", ".join(
            f"{name} {100 * shares[0][name]:.0f} → {100 * shares[1][name]:.0f} %" for name in outer
        )
        exact = ", ".join(f"{name} {100 * chance[1][name]:.1f} %" for name in outer)
        yield Finding(
            case=case.title,
            ours=f"{100 * first:.0f} % of the layers’ overlaps at step 1; by step {last} {told}",
            control=f"by chance, exactly, at step {last}: {exact}",
            holds=first >= 0.9 and fallen,
        )


def _equal_layers(evidence: Evidence) -> Iterator[Finding]:
    """Hold the spread of overlaps of inner layers of equal size against that of unequal ones."""
    for case in evidence.cases:
        if not (evidence.of("equal", case) and evidence.of("partial", case)):
            continue
        iteration = case.at["equal"][0]
        unequal, equal = (
            _spreads(evidence.runs(role, case), iteration) for role in ("partial", "equal")
        )
        if not unequal or not equal:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours="sd of the overlap in % of the mask, inner layers of equal size: " + _told(equal),
            control=f"inner layers of unequal size: {_told(unequal)}",
            holds=max(equal.values()) / min(equal.values())
            < max(unequal.values()) / min(unequal.values()),
        )


def _spreads(runs: list[Run], iteration: int) -> dict[str, float]:
    """Return the standard deviation over pairs of each inner layer's overlap, in per cent."""
    pairs = pairs_where(runs, same=("seed",))
    if pairs.count(",") < 1:
        return {}
    table = compare(*runs, iteration=iteration, pairs=pairs)
    inner = runs[0].layout.names[1:-1]
    shares = {
        name: [100 * int(r["shared"] or 0) / int(r["kept_a"] or 1) for r in table.where(layer=name)]
        for name in inner
    }
    return {name: max(stdev(values), 1e-9) for name, values in shares.items()}


def _told(spreads: dict[str, float]) -> str:
    return ", ".join(f"{name} {spread:.2f}" for name, spread in spreads.items())


def _dial(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        if not evidence.of("dial", case):
            continue
        table = divergence(evidence, case)
        at = case.at["high"][0]
        rows = [] if table is None else [row for row in table if row["iteration"] == at]
        found = [(row["diverge_at"], float(row["jaccard"] or 0)) for row in rows]
        if len(found) < 2:
            yield too_few_runs(case)
            continue
        steps = [later[1] - earlier[1] for earlier, later in pairwise(found)]
        chance = mean(plain(rows, column="expected_jaccard"))
        yield Finding(
            case=case.title,
            ours=f"Jaccard at iteration {at} by shared epochs of {rows[0]['epochs']}: "
            + ", ".join(f"{epoch}: {jaccard:.3f}" for epoch, jaccard in found),
            control=f"chance {chance:.3f}; everything shared 1",
            holds=min(steps) >= -0.02 and found[-1][1] > found[0][1],
        )


CLAIMS = [
    Claim(
        key="across-initializations",
        figure="Figure 2",
        says="When different initializations are used, the overlap between masks is predicted by "
        "the hypergeometric distribution.",
        theirs="dots on the curve in all three networks",
        rule="chance puts so many pairs above its central 95 % in at least one case of a hundred",
        roles=("unfixed",),
        weigh=partial(_chance, role="unfixed", at="across", within=False, more=False),
    ),
    Claim(
        key="within-at-chance",
        figure="Figures 3, 8",
        says="Tickets of the same initialization, randomness not fixed, overlap as expected by "
        "chance.",
        theirs="around 10 % (Fashion-MNIST), 5 % (CIFAR-10), 2.5 % (ResNet18) of the mask, as "
        "chance",
        rule="chance puts so many pairs above its central 95 % in at least one case of a hundred",
        roles=("unfixed",),
        weigh=partial(_chance, role="unfixed", at="high", within=True, more=False),
    ),
    Claim(
        key="shared-by-all",
        figure="Figure 4a",
        says="No significant amount of weights is shared by all tickets of an initialization.",
        theirs="7 to 10 % of the mask at 50 %, within the baseline",
        rule="in every initialization the count lies within two sd of its exact expectation",
        roles=("unfixed",),
        weigh=partial(_kept_together, kind="shared"),
    ),
    Claim(
        key="kept-by-none",
        figure="Figure 4b",
        says="No significant amount of weights is left out of all tickets of an initialization.",
        theirs="2 to 3 % of the layer at 50 %, within the baseline",
        rule="in every initialization the count lies within two sd of its exact expectation",
        roles=("unfixed",),
        weigh=partial(_kept_together, kind="never"),
    ),
    Claim(
        key="partial-beyond-chance",
        figure="Figures 7b, 7c, 10",
        says="With partially fixed randomness, overlaps beyond chance occur.",
        theirs="30 to 70 % of the mask where chance gives 10 (Fashion-MNIST)",
        rule="chance puts so many pairs above its central 95 % in fewer than one case of a hundred",
        roles=("partial",),
        weigh=partial(_chance, role="partial", at="high", within=True, more=True),
    ),
    Claim(
        key="partial-beyond-unfixed",
        figure="Figures 3, 10",
        says="Decreasing randomness decreases the differences between tickets.",
        theirs="from about chance to 30 to 70 % of the mask (Fashion-MNIST)",
        rule="the mean Jaccard index is larger than without fixing",
        roles=("partial", "unfixed"),
        weigh=_more_than_unfixed,
    ),
    Claim(
        key="divergence",
        figure="beyond the paper",
        says="The later two runs part, the more alike their tickets are.",
        theirs="two points only: not fixed, and partially fixed",
        rule="the Jaccard index rises from the first to the last epoch, no step down by over 0.02",
        roles=("dial",),
        weigh=_dial,
    ),
    Claim(
        key="across-tasks",
        figure="Figures 7e, 13",
        says="With the same initialization and partially fixed randomness, tickets of different "
        "tasks overlap beyond chance.",
        theirs="at 95 % pruned: 5 to 16 % in layers three and four where chance gives 5",
        rule="chance puts so many pairs above its central 95 % in fewer than one case of a hundred",
        roles=("partial", "tasks"),
        weigh=_across_tasks,
    ),
    Claim(
        key="equal-layers",
        figure="Figure 14",
        says="Layer size has more effect on overlaps than position: inner layers of equal size "
        "overlap alike.",
        theirs="65 to 82 % in layers three and four, 55 to 80 % in layer two, at 50 % pruned",
        rule="the largest spread over pairs among inner layers exceeds the least by a smaller "
        "factor than in a network whose layers differ in size",
        roles=("equal", "partial"),
        weigh=_equal_layers,
    ),
    Claim(
        key="significance-falls",
        figure="Figure 11",
        says="Almost all overlaps are significant with partially fixed randomness, fewer in the "
        "first and last layers at high pruning.",
        theirs="almost always around 100 %; a slight decrease from the sixth step",
        rule="at least 90 % of the layers’ overlaps are significant at step 1, and fewer in the "
        "first or the last layer at the last step",
        roles=("partial",),
        weigh=_significance,
    ),
    *FUNCTION_CLAIMS,
]
