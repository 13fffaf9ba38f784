"""Paganini & Forde (2020): pruning methods side by side, Figures 2 to 4 and 8 to 11."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from maskstat.errors import UsageError
from maskstat.reproduce.evidence import Cell, Evidence, called
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.plan import Case
from maskstat.run import Run
from maskstat.stats.accuracy import accuracy
from maskstat.stats.compare import compare
from maskstat.stats.contrast import contrast, contrast_predictions
from maskstat.stats.twins import twins

__all__ = ["EXHIBITS", "have_twins", "tasks_of"]

_BOTH = "sources methods"
_BASELINE = "l2-structured"


def tasks_of(evidence: Evidence, case: Case) -> list[str]:
    """Return the tasks of a case, in the order of its sweeps."""
    return list(dict.fromkeys(cell.recipe.dataset for cell in evidence.of(_BOTH, case)))


def _several_methods(evidence: Evidence, case: Case) -> bool:
    return len({cell.recipe.method for cell in evidence.of(_BOTH, case)}) > 1


def _each_task(evidence: Evidence, *, first: bool) -> Iterator[tuple[Case, str, list[Cell]]]:
    """Give the first task of each case that has several methods, or all the others."""
    for case in evidence.cases:
        if not _several_methods(evidence, case):
            continue
        tasks = tasks_of(evidence, case)
        for task in tasks[:1] if first else tasks[1:]:
            yield case, task, evidence.of(_BOTH, case, dataset=task)


def _runs(cells: Sequence[Cell]) -> list[Run]:
    return [cell.run for cell in cells if cell.run is not None]


def _slug(task: str) -> str:
    return task.replace(":", "-")


def _accuracies(evidence: Evidence, *, first: bool) -> Iterator[Drawing]:
    from maskstat.figures.accuracy import accuracy_over_sparsity

    for case, task, cells in _each_task(evidence, first=first):
        runs = _runs(cells)
        if not runs:
            continue
        table = accuracy(*runs, group_by="method")
        yield Drawing(
            name=case.name if first else f"{case.name}-{_slug(task)}",
            caption=f"{case.title}, task {task}: test accuracy over sparsity of {len(runs)} runs.",
            table=table,
            draw=partial(accuracy_over_sparsity, table),
            gaps=gaps(cells),
        )


def _distances(evidence: Evidence, *, first_case: bool) -> Iterator[Drawing]:
    """Distances to the masks of L2-structured pruning."""
    from maskstat.figures.contrast import contrast_over_iterations

    found = list(_each_task(evidence, first=True))
    others = [*found[1:], *list(_each_task(evidence, first=False))[:1]]
    for case, task, cells in found[:1] if first_case else others:
        runs = _runs(cells)
        if not have_twins(runs, differ="method", baseline=_BASELINE):
            continue
        table = contrast(*runs, differ="method", baseline=_BASELINE)
        yield Drawing(
            name=f"{case.name}-{_slug(task)}",
            caption=f"{case.title}, task {task}: Jaccard distance between the masks of "
            "L2-structured pruning and of every other method, seed by seed; dotted, chance.",
            table=table,
            draw=partial(contrast_over_iterations, table),
            gaps=gaps(cells),
        )


def have_twins(runs: Sequence[Run], *, differ: str, baseline: str | None = None) -> bool:
    """Tell whether some runs differ in one setting alone; where runs are missing, none may."""
    try:
        twins(runs, differ=differ, baseline=baseline)
    except UsageError as error:
        if error.code not in ("no-twins", "no-baseline"):
            raise
        return False
    return True


def _heatmaps(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.heatmap import pairwise_heatmap

    for case, task, cells in _each_task(evidence, first=True):
        seed = cells[0].recipe.seed
        of_seed = [cell for cell in cells if cell.recipe.seed == seed]
        runs = [called(run, run.method) for run in _runs(of_seed)]
        for iteration in case.at.get("heatmap", ()) if len(runs) > 1 else ():
            table = compare(*runs, iteration=iteration)
            yield Drawing(
                name=f"{case.name}-{iteration}",
                caption=f"{case.title}, task {task}, seed {seed}, iteration {iteration}: total "
                "Jaccard distance between the masks of every two methods.",
                table=table,
                draw=partial(pairwise_heatmap, table),
                gaps=gaps(of_seed),
            )


def _finetuned(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.contrast import contrast_over_iterations

    for case in evidence.cases:
        cells = evidence.of("finetune", case)
        if not cells:
            continue
        task = cells[0].recipe.dataset
        rewound = evidence.of(_BOTH, case, dataset=task)
        runs = _runs([*rewound, *cells])
        if not have_twins(runs, differ="rewind"):
            continue
        table = contrast(*runs, differ="rewind")
        yield Drawing(
            name=case.name,
            caption=f"{case.title}, task {task}: Jaccard distance between masks found by rewinding "
            "and by finetuning, seed by seed and method by method; dotted, chance.",
            table=table,
            draw=partial(contrast_over_iterations, table),
            gaps=gaps([*rewound, *cells]),
        )


def _agreements(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.agreement import agreement_matrix

    for case, task, cells in _each_task(evidence, first=True):
        runs = _runs(cells)
        if not have_twins(runs, differ="method") or not all(run.outputs for run in runs):
            continue
        iteration = max(cell.recipe.iterations for cell in cells)
        table = contrast_predictions(*runs, differ="method", iteration=iteration)
        yield Drawing(
            name=case.name,
            caption=f"{case.title}, task {task}, iteration {iteration}: examples of the test set "
            "on which networks pruned by every two methods agree, seed by seed; grey, chance.",
            table=table,
            draw=partial(agreement_matrix, table),
            gaps=gaps(cells),
        )


EXHIBITS = [
    Exhibit(
        key="2",
        title="accuracy over sparsity by pruning method",
        says="Global and local unstructured magnitude pruning find sub-networks that train up to "
        "high sparsities; structured and random pruning lose accuracy earlier.",
        roles=("sources", "methods"),
        build=partial(_accuracies, first=True),
    ),
    Exhibit(
        key="3",
        title="layer-wise distance to the masks of L2-structured pruning",
        says="L1-structured pruning yields the masks most similar to L2-structured pruning; all "
        "distances grow with the iterations, to little or no overlap.",
        roles=("sources", "methods"),
        build=partial(_distances, first_case=True),
    ),
    Exhibit(
        key="4",
        title="distance between every two methods",
        says="As the networks grow sparser, the distance between masks grows as their intersection "
        "shrinks.",
        roles=("sources", "methods"),
        build=_heatmaps,
    ),
    Exhibit(
        key="8",
        title="accuracy over sparsity by pruning method, other tasks",
        says="The power of global unstructured pruning lies in its flexibility across layers; an "
        "increase of accuracy at moderate pruning fractions is common.",
        roles=("sources", "methods"),
        build=partial(_accuracies, first=False),
    ),
    Exhibit(
        key="9",
        title="distance between finetuned and rewound masks",
        says="Finetuning yields significantly different masks from rewinding for all techniques, "
        "more so for magnitude-based structured than for unstructured pruning.",
        roles=("sources", "methods", "finetune"),
        build=_finetuned,
    ),
    Exhibit(
        key="10",
        title="layer-wise distance to the masks of L2-structured pruning, other tasks",
        says="Masks diverge rapidly in the early phases and approach a total distance of 1; "
        "L1-structured pruning stays the most similar to L2-structured pruning.",
        roles=("sources", "methods"),
        build=partial(_distances, first_case=False),
    ),
    Exhibit(
        key="11",
        title="agreement of predictions between methods",
        says="Networks pruned by different techniques differ in the function that they learn.",
        roles=("sources", "methods"),
        build=_agreements,
    ),
]
