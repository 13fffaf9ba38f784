"""Claims of Paganini & Forde (2020) about masks and methods, each beside its control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maskstat.reproduce.claim import Claim, Finding, too_few_runs
from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibits.measures import mean, overlap, plain
from maskstat.reproduce.exhibits.paganini2020_ticket_claims import TICKET_CLAIMS
from maskstat.reproduce.exhibits.paganini_counts import same_on_every_task, votes
from maskstat.reproduce.exhibits.paganini_methods import have_twins, tasks_of
from maskstat.reproduce.plan import Case
from maskstat.reproduce.table1 import PRINTED, left_in
from maskstat.run import Run
from maskstat.stats.contrast import contrast, contrast_predictions

__all__ = ["CLAIMS"]

_BOTH = "sources methods"
_MAGNITUDE = ("global-unstructured", "l1-unstructured")
_STRUCTURED = ("l1-structured", "l2-structured", "linf-structured")
_BASELINE = "l2-structured"
_CLOSE = 0.02


def _compared(evidence: Evidence) -> Iterator[tuple[Case, list[Run], int]]:
    """Give the runs of all methods on each case's first task, and an iteration in the middle."""
    for case in evidence.cases:
        tasks = tasks_of(evidence, case)
        cells = evidence.of(_BOTH, case, dataset=tasks[0]) if tasks else []
        if len({cell.recipe.method for cell in cells}) > 1:
            iterations = case.at.get("heatmap", (1,))
            middle = iterations[len(iterations) // 2]
            yield case, [cell.run for cell in cells if cell.run is not None], middle


def _reached(runs: Sequence[Run], iteration: int) -> dict[str, float]:
    """Return the mean test accuracy of each method at an iteration."""
    return {
        method: mean(
            [float(r.series["test_accuracy"][iteration]) for r in runs if r.method == method]
        )
        for method in dict.fromkeys(run.method for run in runs)
    }


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * value:.1f}" for name, value in values.items())


def _unstructured_lead(evidence: Evidence) -> Iterator[Finding]:
    for case, runs, iteration in _compared(evidence):
        reached = _reached(runs, iteration)
        led = [value for name, value in reached.items() if name in _MAGNITUDE]
        others = [value for name, value in reached.items() if name not in _MAGNITUDE]
        if not led or not others:
            yield too_few_runs(case)
            continue
        yield Finding(
            case=case.title,
            ours=f"accuracy in % at iteration {iteration}: {_listed(reached)}",
            control="random pruning, of the same weights or channels, is among the others",
            holds=min(led) > max(others),
        )


def _several_tickets(evidence: Evidence) -> Iterator[Finding]:
    """Hold methods of like accuracy against each other's masks."""
    for case, runs, iteration in _compared(evidence):
        reached = _reached(runs, iteration)
        if len(reached) < 2:
            yield too_few_runs(case)
            continue
        best = max(reached.values())
        good = [name for name, value in reached.items() if value >= best - _CLOSE]
        chosen = [run for run in runs if run.method in good]
        found = overlap(chosen, iteration=iteration, same=("seed",), other=("method",))
        if found is None:
            yield Finding(
                case=case.title,
                ours=f"only {good[0]} comes within two points of the best accuracy",
                control=f"at iteration {iteration}: {_listed(reached)}",
                holds=False,
            )
            continue
        yield Finding(
            case=case.title,
            ours=f"{', '.join(good)} reach within two points of {100 * best:.1f} %: {found.text}",
            control=found.chance,
            holds=found.jaccard < 0.5,
        )


def _closest(evidence: Evidence) -> Iterator[Finding]:
    for case, runs, iteration in _compared(evidence):
        alike = [run for run in runs if run.method in (_BASELINE, "l1-structured")]
        if not have_twins(alike, differ="method", baseline=_BASELINE):
            if evidence.plan.scale != "test":
                yield too_few_runs(case)
            continue
        rows = contrast(*runs, differ="method", baseline=_BASELINE, iteration=iteration).where(
            layer="total"
        )
        distance = {
            str(row["group"]).rpartition(" and ")[2]: float(row["jaccard_distance"] or 0)
            for row in rows
        }
        chance = mean(plain(rows, column="expected_distance"))
        yield Finding(
            case=case.title,
            ours=f"distance to L2-structured at iteration {iteration}: "
            + ", ".join(f"{name} {value:.2f}" for name, value in distance.items()),
            control=f"chance, mean over methods: {chance:.2f}",
            holds=min(distance, key=lambda name: distance[name]) == "l1-structured",
        )


def _apart(evidence: Evidence) -> Iterator[Finding]:
    """Hold distances between methods against those that sparser masks have by chance alone."""
    for case, runs, _ in _compared(evidence):
        iterations = case.at.get("heatmap", (1,))
        magnitude = [run for run in runs if not run.method.startswith("random")]
        ends = [
            overlap(magnitude, iteration=t, same=("seed",), other=("method",))
            for t in (iterations[0], iterations[-1])
        ]
        if None in ends or len(iterations) < 2:
            if evidence.plan.scale != "test":
                yield too_few_runs(case)
            continue
        first, last = (end for end in ends if end is not None)
        yield Finding(
            case=case.title,
            ours=f"distance {1 - first.jaccard:.2f} at iteration {iterations[0]}, "
            f"{1 - last.jaccard:.2f} at {iterations[-1]}; lift {first.lift:.2f} and "
            f"{last.lift:.2f}",
            control=f"by chance alone {1 - first.expected:.2f} and {1 - last.expected:.2f}, lift 1",
            holds=last.jaccard < first.jaccard,
        )


def _finetuning(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        cells = evidence.of("finetune", case)
        if not cells:
            continue
        task = cells[0].recipe.dataset
        runs = [*evidence.runs(_BOTH, case, dataset=task), *evidence.runs("finetune", case)]
        if not have_twins(runs, differ="rewind"):
            yield too_few_runs(case)
            continue
        last = max(cell.recipe.iterations for cell in cells)
        rows = contrast(*runs, differ="rewind", iteration=last).where(layer="total")
        distance = {str(row["group"]).partition(":")[0]: row["jaccard_distance"] for row in rows}
        chance = mean(plain(rows, column="expected_distance"))
        structured, free, random = (
            plain(value for name, value in distance.items() if any(m in name for m in methods))
            for methods in (_STRUCTURED, _MAGNITUDE, ("random",))
        )
        yield Finding(
            case=case.title,
            ours=f"distance at iteration {last}: structured {mean(structured):.2f}, unstructured "
            f"{mean(free):.2f}",
            control=f"chance {chance:.2f}"
            + (f"; random pruning {mean(random):.2f}" if random else ""),
            holds=mean(structured) > mean(free) > 0 if structured and free else None,
        )


def _other_function(evidence: Evidence) -> Iterator[Finding]:
    for case, runs, iteration in _compared(evidence):
        if not have_twins(runs, differ="method") or not all(run.outputs for run in runs):
            yield too_few_runs(case)
            continue
        rows = contrast_predictions(*runs, differ="method", iteration=iteration).rows()
        agreed = plain(rows, column="agreement")
        yield Finding(
            case=case.title,
            ours=f"every two methods agree on {100 * min(agreed):.0f} to {100 * max(agreed):.0f} % "
            f"of the test set at iteration {iteration}, mean {100 * mean(agreed):.1f} %",
            control=f"by chance {100 * mean(plain(rows, column='expected_agreement')):.1f} %; "
            f"kappa {mean(plain(rows, column='kappa')):.2f}",
            holds=max(agreed) < 1,
        )


def _across_tasks(evidence: Evidence) -> Iterator[Finding]:
    for case in evidence.cases:
        runs = evidence.runs("sources", case)
        if not evidence.of("sources", case):
            continue
        iteration = case.at["tasks"][-1]
        found = overlap(runs, iteration=iteration, same=("seed",), other=("dataset",))
        apart = overlap(runs, iteration=iteration, other=("seed",))
        if found is None:
            yield too_few_runs(case)
            continue
        control = found.chance
        if apart is not None:
            control += f"; other initializations: {apart.text}"
        yield Finding(case=case.title, ours=found.text, control=control, holds=found.beyond_chance)


def _consistent(evidence: Evidence) -> Iterator[Finding]:
    """Hold the weights that all tasks agree on against chance, method by method."""
    for case in evidence.cases:
        iteration = case.at.get("votes", (1,))[-1]
        rows = votes(evidence, case, iteration)
        methods = [m for m in dict.fromkeys(str(row["group"]) for row in rows) if "random" not in m]
        if len(methods) < 2:
            continue
        shares, chance = (
            {
                method: sum(
                    float(str(row[column])) / int(str(row["size"]))
                    for row in rows
                    if row["group"] == method and row["votes"] in (0, row["masks"])
                )
                for method in methods
            }
            for column in ("weights", "expected")
        )
        yield Finding(
            case=case.title,
            ours=f"% of the weights that all tasks keep or all prune, iteration {iteration}: "
            + _listed(shares),
            control=f"by chance, each method’s layer sizes fixed: {_listed(chance)}",
            holds=max(shares, key=lambda method: shares[method]) == "global-unstructured",
        )


def _random(evidence: Evidence) -> Iterator[Finding]:
    rows = same_on_every_task(evidence)
    same = sum(bool(row["identical"]) for row in rows)
    yield Finding(
        case="all",
        ours=f"{same} of {len(rows)} seeds and random methods give identical masks on all tasks",
        control="masks of every iteration, bit for bit",
        holds=same == len(rows) if rows else None,
    )


def _table_1(evidence: Evidence) -> Iterator[Finding]:
    right = total = 0
    for model, printed in PRINTED.items():
        for left, told in zip(left_in(model), printed, strict=True):
            total += 1
            decimal = round(left / 1000, 1) if model == "lenet" and told < 10 else left // 1000
            right += decimal == told
    yield Finding(
        case="LeNet, AlexNet, VGG11, ResNet18",
        ours=f"{right} of {total} printed values, from the layers’ shapes alone",
        control="round-half-even(20 % of what remains), layer by layer, the rest unpruned",
        holds=right == total,
    )


CLAIMS = [
    Claim(
        key="unstructured-leads",
        figure="Figures 2, 8",
        says="Global and local unstructured magnitude pruning find sub-networks that train up to "
        "higher sparsities than structured and random pruning.",
        theirs="curves only",
        rule="both unstructured magnitude methods reach a higher mean accuracy than every other",
        roles=("sources", "methods"),
        weigh=_unstructured_lead,
    ),
    Claim(
        key="several-tickets",
        figure="Figures 3, 4",
        says="There exist multiple lucky sub-networks with similar performance, yet little to no "
        "overlap.",
        theirs="total distances approach 1",
        rule="methods within two points of the best accuracy have a mean Jaccard index below 0.5",
        roles=("sources", "methods"),
        weigh=_several_tickets,
    ),
    Claim(
        key="l1-like-l2",
        figure="Figures 3, 10",
        says="L1-structured pruning yields the masks most similar to those of L2-structured "
        "pruning.",
        theirs="curves only",
        rule="of all methods its mean distance is the smallest",
        roles=("sources", "methods"),
        weigh=_closest,
    ),
    Claim(
        key="distance-grows",
        figure="Figures 4, 5, 10",
        says="As the networks grow sparser, the distance between masks grows.",
        theirs="to almost 1 at iteration 19",
        rule="the mean distance between magnitude methods is larger at the last iteration",
        roles=("sources", "methods"),
        weigh=_apart,
    ),
    Claim(
        key="finetuning-differs",
        figure="Figure 9",
        says="Finetuning yields different masks from rewinding, more so for structured than for "
        "unstructured magnitude pruning.",
        theirs="curves only",
        rule="the mean distance of structured methods exceeds that of unstructured ones",
        roles=("sources", "methods", "finetune"),
        weigh=_finetuning,
    ),
    Claim(
        key="other-function",
        figure="Figure 11",
        says="Networks pruned by different techniques differ in the function that they compute.",
        theirs="numbers of agreeing examples, no control",
        rule="no two methods agree on every example",
        roles=("sources", "methods"),
        weigh=_other_function,
    ),
    Claim(
        key="tasks-share-a-core",
        figure="Figure 5",
        says="Tickets of one initialization found on different tasks are dissimilar, but share "
        "more than chance even at high sparsity.",
        theirs="6 to 10 % shared at 99 % sparsity",
        rule="chance puts so many pairs above its central 95 % in fewer than one case of a hundred",
        roles=("sources",),
        weigh=_across_tasks,
    ),
    Claim(
        key="global-consistent",
        figure="Figure 12",
        says="Of the techniques but random ones, global unstructured pruning is the most "
        "consistent across tasks.",
        theirs="bars only",
        rule="it has the largest share of weights that all tasks keep or all prune",
        roles=("sources", "methods"),
        weigh=_consistent,
    ),
    Claim(
        key="random-pruning",
        figure="Figure 12, appendix E",
        says="Random pruning with one seed prunes the same weights on every task.",
        theirs="always",
        rule="all masks are identical",
        roles=("sources", "methods"),
        weigh=_random,
    ),
    Claim(
        key="table-1",
        figure="Table 1",
        says="Parameters left after each pruning, explicitly.",
        theirs="80 values",
        rule="all printed values come out",
        roles=("sources",),
        weigh=_table_1,
    ),
    *TICKET_CLAIMS,
]
