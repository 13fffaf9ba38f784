"""Claims of Grosse & Backes (2020) about weights, outputs and accuracies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from maskstat.reproduce.claim import Claim, Finding, too_few_runs
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibits.grosse_overlap import pairs_where
from maskstat.reproduce.exhibits.measures import mean, plain, standard_error
from maskstat.run import Run
from maskstat.stats.correlate import correlate
from maskstat.stats.matched import matched
from maskstat.stats.outputs import outputs

__all__ = ["FUNCTION_CLAIMS"]

_NEAR_ZERO = 0.1


def _ranks(evidence: Evidence, *, role: str, zero: bool) -> Iterator[Finding]:
    """Hold the correlation inside tickets against the whole layer's in the dense training."""
    for case in evidence.cases:
        runs = evidence.runs(role, case)
        if not evidence.of(role, case):
            continue
        if not runs:
            yield too_few_runs(case)
            continue
        iteration = case.at["high"][0]
        totals = correlate(*runs, iteration=iteration).where(layer="total")
        rho = plain(totals, column="rho")
        whole, selected = (plain(totals, column=name) for name in ("whole_rho", "selected_rho"))
        if not rho:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"mean {mean(rho):.2f} over {len(rho)} tickets, from {min(rho):.2f} to "
            f"{max(rho):.2f}, layers averaged, at iteration {iteration}",
            control=f"dense training: whole layers {mean(whole):.2f}, the weights that the ticket "
            f"keeps {mean(selected):.2f}; unrelated orders: 0",
            holds=abs(mean(rho)) <= _NEAR_ZERO if zero else min(rho) > 0,
        )


def _same_function(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        runs = evidence.runs("unfixed", case)
        pairs = pairs_where(runs, same=("seed",))
        if not evidence.of("unfixed", case):
            continue
        if not pairs:
            yield too_few_runs(case)
            continue
        rows = outputs(*runs, iteration="all", pairs=pairs).rows()
        equal = sum(bool(row["equal"]) for row in rows)
        kappa, agreement = (mean(plain(rows, column=name)) for name in ("kappa", "agreement"))
        expected = mean(plain(rows, column="expected_agreement"))
        yield Finding(
            case=case.title,
            ours=f"{equal} of {len(rows)} pairs compute the same; they agree on "
            f"{100 * agreement:.0f} % of the classes",
            control=f"equal is a root mean square of 1e-5 of the outputs; agreement by chance "
            f"{100 * expected:.0f} %, kappa {kappa:.2f}",
            holds=equal == 0,
        )


def _relabelled(evidence: Evidence) -> Iterator[Finding]:
    """Match hidden units of a pair an initialization, and random masks in the same way."""
    for case in evidence.cases:
        runs = evidence.runs("unfixed", case)
        if not evidence.of("unfixed", case) or evidence.plan.scale == "full":
            continue
        iteration = case.at["high"][0]
        pairs = [
            [run for run in runs if run.seed == seed][:2]
            for seed in dict.fromkeys(run.seed for run in runs)
        ]
        rows = [
            matched(*pair, iteration=iteration, draws=19).where(layer="total")[0]
            for pair in pairs
            if len(pair) == 2
        ]
        if not rows:
            yield too_few_runs(case)
            continue
        after = plain(rows, column="matched_jaccard")
        before = plain(rows, column="jaccard")
        expected = mean([float(row["expected"] or 0) for row in rows])
        found = mean([float(row["matched"] or 0) for row in rows])
        yield Finding(
            case=case.title,
            ours=f"Jaccard {mean(after):.3f} after the best relabelling found, {mean(before):.3f} "
            f"before, over {len(rows)} pairs at iteration {iteration}",
            control=f"{found:.0f} shared weights after relabelling; random masks relabelled alike "
            f"share {expected:.0f}; one network would reach Jaccard 1",
            holds=max(after) < 1,
        )


def _across_seeds(evidence: Evidence, *, role: str, closer_across: bool) -> Iterator[Finding]:
    for case in evidence.cases:
        runs = evidence.runs(role, case)
        inside, outside = (pairs_where(runs, **{how: ("seed",)}) for how in ("same", "other"))
        if not evidence.of(role, case):
            continue
        if not (inside and outside):
            yield too_few_runs(case)
            continue
        within, across = (
            mean(plain(outputs(*runs, iteration="all", pairs=pairs).rows(), column="cka"))
            for pairs in (inside, outside)
        )
        yield Finding(
            case=case.title,
            ours=f"debiased CKA {within:.3f} within initializations, {across:.3f} across",
            control="the same measure on the other kind of pair; all pruning steps averaged",
            holds=across > within if closer_across else within > across,
        )


def _accuracy(evidence: Evidence) -> Iterator[Finding]:
    """Hold accuracies with and without fixing against each other, seed by seed."""
    for case in evidence.cases:
        free, held = evidence.runs("unfixed", case), evidence.runs("partial", case)
        if not (evidence.of("unfixed", case) and evidence.of("partial", case)):
            continue
        seeds = sorted({run.seed for run in free} & {run.seed for run in held}, key=str)
        gains = [_reached(held, seed) - _reached(free, seed) for seed in seeds]
        if len(gains) < 2:
            yield too_few_runs(case)
            continue
        gain, error = mean(gains), standard_error(gains)
        yield Finding(
            case=case.title,
            ours=f"{100 * gain:+.2f} percentage points, over all steps and {len(seeds)} "
            "initializations",
            control=f"standard error over initializations {100 * error:.2f}",
            holds=gain > 2 * error,
        )


def _reached(runs: list[Run], seed: int | None) -> float:
    """Return the mean test accuracy over the runs of an initialization and all pruning steps."""
    return mean(
        [
            float(value)
            for run in runs
            if run.seed == seed
            for value in run.series["test_accuracy"][1:]
        ]
    )


FUNCTION_CLAIMS = [
    Claim(
        key="ranks-unfixed",
        figure="Figure 5",
        says="Rank correlations between initial and final weights of tickets are centred around 0.",
        theirs="between -0.2 and 0.2 in inner layers, up to ±0.7 in the last",
        rule="the mean over tickets of the layers’ average lies between -0.1 and 0.1",
        roles=("unfixed",),
        weigh=partial(_ranks, role="unfixed", zero=True),
    ),
    Claim(
        key="ranks-partial",
        figure="Figures 7f, 12",
        says="With partially fixed randomness all rank correlations are positive.",
        theirs="above 0.65 (Fashion-MNIST), 0.7 to 1 (CIFAR-10), around 0.1 (ResNet18)",
        rule="every ticket’s average over layers is above 0",
        roles=("partial",),
        weigh=partial(_ranks, role="partial", zero=False),
    ),
    Claim(
        key="not-one-function",
        figure="Figures 6, 9",
        says="No two tickets yield the same outputs, so they are not one network under "
        "weight-space symmetry.",
        theirs="the distance of outputs is never zero",
        rule="no pair within an initialization has equal outputs",
        roles=("unfixed",),
        weigh=_same_function,
    ),
    Claim(
        key="not-relabelled",
        figure="section 3.3; beyond the paper",
        says="Tickets are not the same sub-network with its hidden units in another order.",
        theirs="from outputs alone",
        rule="no pair of masks becomes equal by relabelling hidden units",
        roles=("unfixed",),
        weigh=_relabelled,
    ),
    Claim(
        key="outputs-unfixed",
        figure="Figure 9",
        says="Not fixed, outputs are slightly more similar across initializations than within.",
        theirs="in all networks, by CKA and by L2",
        rule="the mean CKA over pairs and steps is larger across than within",
        roles=("unfixed",),
        weigh=partial(_across_seeds, role="unfixed", closer_across=True),
    ),
    Claim(
        key="outputs-partial",
        figure="Figure 15",
        says="Partially fixed, outputs are more similar within an initialization than across.",
        theirs="for the small networks",
        rule="the mean CKA over pairs and steps is larger within than across",
        roles=("partial",),
        weigh=partial(_across_seeds, role="partial", closer_across=False),
    ),
    Claim(
        key="accuracy-partial",
        figure="Figures 1b, 7a",
        says="Accuracy is slightly higher with partially fixed randomness.",
        theirs="overall higher, increasing at the first pruning steps",
        rule="the mean gain over initializations exceeds two standard errors",
        roles=("unfixed", "partial"),
        weigh=_accuracy,
    ),
]
