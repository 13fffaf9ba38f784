"""Claims of Paganini & Forde (2020) about tickets, each beside its control."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from math import isnan

from maskstat.reproduce.claim import Claim, Finding, too_few_runs
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibits.measures import mean, plain, standard_error
from maskstat.reproduce.exhibits.paganini_tickets import sourced, specs, voted
from maskstat.reproduce.plan import Case
from maskstat.reproduce.tickets import bespoke_iteration
from maskstat.run import Run
from maskstat.stats.initial import initial

__all__ = ["TICKET_CLAIMS"]

_COMPARABLE = 0.01


def _kind(run: Run) -> str:
    """Return bespoke, consensus, or random with whose layers' counts it has."""
    kind = str(run.provenance["ticket"]["kind"])
    several = len(run.provenance["ticket"]["sourced_on"]) > 1
    return f"random-{'consensus' if several else 'bespoke'}" if kind == "random" else kind


def _accuracies(
    evidence: Evidence, case: Case, tasks: Iterable[str], *, trained: bool
) -> dict[str, dict[int | None, float]]:
    """Return the mean accuracy on some tasks by kind of ticket and seed."""
    wanted = set(tasks)
    found: dict[str, dict[int | None, list[float]]] = {}
    for run in evidence.retrained.get(case.name, ()):
        epochs = run.provenance["settings"]["train"]["epochs"]
        if run.status == "complete" and run.dataset in wanted and bool(epochs) == trained:
            value = float(run.series["test_accuracy"][1])
            found.setdefault(_kind(run), {}).setdefault(run.seed, []).append(value)
    return {
        kind: {seed: mean(values) for seed, values in seeds.items()}
        for kind, seeds in found.items()
    }


def _difference(
    reached: dict[str, dict[int | None, float]], one: str, other: str
) -> tuple[float, float]:
    """Return the mean difference of two kinds over seeds, and its standard error."""
    seeds = reached.get(one, {}).keys() & reached.get(other, {}).keys()
    gaps = [reached[one][seed] - reached[other][seed] for seed in seeds]
    return mean(gaps), standard_error(gaps)


def _told(reached: dict[str, dict[int | None, float]]) -> str:
    return ", ".join(
        f"{kind} {100 * mean(list(seeds.values())):.1f} %" for kind, seeds in reached.items()
    )


def _points(difference: float, error: float) -> str:
    spread = "" if isnan(error) else f" (standard error over seeds {100 * error:.2f})"
    return f"{100 * difference:+.2f} points{spread}"


def _competitive(evidence: Evidence, *, held_out: bool) -> Iterator[Finding]:
    for case, tickets in specs(evidence):
        tasks = tickets.held_out if held_out else tickets.targets
        reached = _accuracies(evidence, case, tasks, trained=True)
        gap, error = _difference(reached, "consensus", "bespoke")
        if isnan(gap):
            yield too_few_runs(case)
            continue
        lead, lead_error = _difference(reached, "consensus", "random-consensus")
        yield Finding(
            case=case.title,
            ours=f"{_told(reached)}; consensus against bespoke {_points(gap, error)}",
            control="against random tickets with the consensus’s weights in every layer: "
            + _points(lead, lead_error),
            holds=gap >= -_COMPARABLE,
        )


def _own_task(evidence: Evidence) -> Iterator[Finding]:
    for case, tickets in specs(evidence):
        best = []
        for target in tickets.targets:
            by_source: dict[str, list[float]] = {}
            for run in evidence.retrained.get(case.name, ()):
                epochs = run.provenance["settings"]["train"]["epochs"]
                done = run.status == "complete" and bool(epochs)
                if done and run.dataset == target and _kind(run) == "bespoke":
                    source = run.provenance["ticket"]["sourced_on"][0]
                    by_source.setdefault(source, []).append(float(run.series["test_accuracy"][1]))
            means = {source: mean(values) for source, values in by_source.items()}
            if means:
                best.append(max(means, key=lambda source: means[source]) == target)
        if not best:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"the ticket sourced on a task is the best on it for {sum(best)} of {len(best)}",
            control=f"by chance for {len(best) / len(tickets.targets):.1f}",
            holds=all(best),
        )


def _untrained(evidence: Evidence) -> Iterator[Finding]:
    for case, tickets in specs(evidence):
        reached = _accuracies(evidence, case, tickets.targets, trained=False)
        found = [
            (kind, *_difference(reached, kind, f"random-{kind}"))
            for kind in ("bespoke", "consensus")
        ]
        if any(isnan(gap) for _, gap, _ in found):
            yield too_few_runs(case)
            continue
        better = [gap > 2 * error for _, gap, error in found if not isnan(error)]
        yield Finding(
            case=case.title,
            ours=_told(reached),
            control="against random tickets with as many weights in every layer: "
            + ", ".join(f"{kind} {_points(gap, error)}" for kind, gap, error in found),
            holds=not any(better) if better else None,
        )


def _smaller_spread(evidence: Evidence) -> Iterator[Finding]:
    for case, tickets in specs(evidence):
        shared: list[float] = []
        alone: list[float] = []
        for seed, ticket in evidence.consensus.get(case.name, {}).items():
            runs = sourced(evidence, tickets, seed)
            table = initial(ticket, *[(run, bespoke_iteration(run, ticket)) for run in runs])
            rows = [row for row in table if row["layer"] != "total" and row["weights"] == "ticket"]
            for row in rows:
                own = row["run"] == ticket.label
                if row["sd_ratio"] is not None:
                    (shared if own else alone).append(float(row["sd_ratio"]))
        if not shared or not alone:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"sd over the whole layer’s, mean over layers: consensus {mean(shared):.3f}, "
            f"bespoke of like sparsity {mean(alone):.3f}",
            control="a random ticket: 1",
            holds=1 < mean(shared) < mean(alone),
        )


def _larger_core(evidence: Evidence) -> Iterator[Finding]:
    """Hold the size of the intersection against what as many masks share by chance."""
    for case, tickets in specs(evidence):
        kept, expected, sd, saved = [], [], [], []
        for seed, ticket in evidence.consensus.get(case.name, {}).items():
            runs = sourced(evidence, tickets, seed)
            rows = voted(evidence, tickets, seed).where(layer="total", votes=len(runs))
            size = ticket.layout.size
            kept.append(ticket.mask(1).density)
            expected += [value / size for value in plain(rows, column="expected")]
            sd += [value / size for value in plain(rows, column="sd")]
            saved.append(float(bespoke_iteration(runs[0], ticket) - tickets.sourced_at))
        if not kept:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"{100 * mean(kept):.1f} % of the weights are kept on all of "
            f"{len(tickets.targets)} tasks; {mean(saved):.0f} sequential prunings saved",
            control=f"by chance, each layer’s sizes fixed: {100 * mean(expected):.1f} ± "
            f"{100 * mean(sd):.2f} %",
            holds=all(k > e + 2 * s for k, e, s in zip(kept, expected, sd, strict=True)),
        )


def _by_size(evidence: Evidence) -> Iterator[Finding]:
    for case, tickets in specs(evidence):
        for seed in list(evidence.consensus.get(case.name, {}))[:1]:
            runs = sourced(evidence, tickets, seed)
            rows = [
                row
                for row in voted(evidence, tickets, seed)
                if row["layer"] != "total" and row["votes"] == len(runs)
            ]
            sizes = [int(row["size"] or 0) for row in rows]
            shares = [float(row["weights"] or 0) / n for row, n in zip(rows, sizes, strict=True)]
            chance = [float(row["expected"] or 0) / n for row, n in zip(rows, sizes, strict=True)]
            yield Finding(
                case=case.title,
                ours="share of each layer in the ticket, by size: " + _pairs(sizes, shares),
                control="by chance, from how dense the tickets are there: " + _pairs(sizes, chance),
                holds=_falls(sizes, shares),
            )


def _pairs(sizes: Sequence[int], shares: Sequence[float]) -> str:
    both = sorted(zip(sizes, shares, strict=True))
    return ", ".join(f"{size:,}: {100 * share:.0f} %" for size, share in both)


def _falls(sizes: Sequence[int], shares: Sequence[float]) -> bool:
    """Tell whether more pairs of layers have a smaller share in the larger one than a larger."""
    layers = list(zip(sizes, shares, strict=True))
    signs = [
        (large[1] < small[1]) - (large[1] > small[1])
        for large in layers
        for small in layers
        if large[0] > small[0]
    ]
    return sum(signs) > 0


TICKET_CLAIMS = [
    Claim(
        key="larger-core",
        figure="section 4.2, appendix E",
        says="Low-sparsity tickets of different tasks intersect in a shared core, a ticket as "
        "sparse as many sequential prunings make it.",
        theirs="five LeNet tickets of 35.9 % sparsity intersect in one of about 85 %; 7 prunings "
        "saved",
        rule="every seed’s intersection exceeds its exact expectation by two sd",
        roles=("sources", "tickets"),
        weigh=_larger_core,
    ),
    Claim(
        key="consensus-competitive",
        figure="Figure 6",
        says="The consensus ticket trains to accuracy comparable to bespoke tickets of like "
        "sparsity.",
        theirs="bars only",
        rule="its mean accuracy over tasks is at most one point below the bespoke tickets’",
        roles=("sources", "tickets", "retrained"),
        weigh=partial(_competitive, held_out=False),
    ),
    Claim(
        key="best-on-own-task",
        figure="Figure 6",
        says="Each bespoke ticket performs best on the task that it was sourced on.",
        theirs="bars only",
        rule="it is so for every task, by the mean over seeds",
        roles=("sources", "tickets", "retrained"),
        weigh=_own_task,
    ),
    Claim(
        key="held-out",
        figure="Figure 22",
        says="Consensus tickets train on held-out tasks as well as bespoke tickets do.",
        theirs="bars only",
        rule="the mean accuracy is at most one point below the bespoke tickets’",
        roles=("sources", "tickets", "retrained"),
        weigh=partial(_competitive, held_out=True),
    ),
    Claim(
        key="untrained",
        figure="Figure 21",
        says="At initialization, tickets of small networks are no better than random ones.",
        theirs="only AlexNet’s and VGG11’s bespoke tickets are",
        rule="neither kind leads its random tickets by more than two standard errors over seeds",
        roles=("sources", "tickets", "retrained"),
        weigh=_untrained,
    ),
    Claim(
        key="smaller-spread",
        figure="Figures 7, 17 to 20",
        says="Consensus tickets are initialized with a smaller variance than bespoke ones, "
        "closer to the whole layer’s.",
        theirs="for all four networks",
        rule="the mean ratio to the whole layer’s sd lies above 1 and below the bespoke tickets’",
        roles=("sources", "tickets"),
        weigh=_smaller_spread,
    ),
    Claim(
        key="smaller-share-of-larger-layers",
        figure="Figures 13 to 16",
        says="The share of weights kept on all tasks falls with the layer’s size.",
        theirs="bars only",
        rule="of two layers the larger has more often the smaller share",
        roles=("sources", "tickets"),
        weigh=_by_size,
    ),
]
