"""Paganini & Forde (2020): counts, Figure 12, Table 1, and the test of random pruning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import fsum
from statistics import stdev

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.plan import Case
from maskstat.reproduce.table1 import measured_case, table_1
from maskstat.run import Run
from maskstat.stats.consensus import consensus
from maskstat.table import Column, Table

__all__ = ["EXHIBITS", "same_on_every_task", "votes"]

_BOTH = "sources methods"

VOTE_COLUMNS = {
    "group": Column("text", "pruning method"),
    "iteration": Column("integer", "pruning iteration"),
    "masks": Column("integer", "tasks, a mask of each"),
    "votes": Column("integer", "how many of them keep a weight"),
    "size": Column("integer", "prunable weights"),
    "n": Column("integer", "seeds"),
    "weights": Column("number", "weights with so many votes, mean over seeds"),
    "sd": Column("number", "standard deviation over seeds (n - 1 below)"),
    "expected": Column("number", "by chance, exactly, each layer's sizes fixed; mean over seeds"),
}

RANDOM_COLUMNS = {
    "case": Column("text", "network"),
    "method": Column("text", "pruning method"),
    "seed": Column("integer", "seed"),
    "tasks": Column("integer", "tasks whose masks are compared"),
    "iterations": Column("integer", "prunings"),
    "identical": Column("flag", "whether all masks of every iteration are the same, bit for bit"),
}


def votes(evidence: Evidence, case: Case, iteration: int) -> list[dict[str, object]]:
    """Count in how many tasks' masks the weights are kept, method by method.

    Returns
    -------
    list of dict
        A row a method and number of votes, as in `VOTE_COLUMNS`; seeds with a missing task are
        left out.
    """
    cells = evidence.of(_BOTH, case)
    tasks = _common_tasks(evidence, case)
    rows: list[dict[str, object]] = []
    for method in dict.fromkeys(cell.recipe.method for cell in cells):
        tables = []
        for seed in dict.fromkeys(cell.recipe.seed for cell in cells):
            runs = [
                run
                for run in evidence.runs(_BOTH, case, method=method, seed=seed)
                if run.dataset in tasks
            ]
            if len(runs) == len(tasks) > 1:
                tables.append(consensus(*runs, iteration=iteration).where(layer="total"))
        for parts in zip(*tables, strict=True):
            counts = [float(part["weights"] or 0) for part in parts]
            rows.append(
                {
                    "group": method,
                    "iteration": iteration,
                    "masks": len(tasks),
                    "votes": parts[0]["votes"],
                    "size": parts[0]["size"],
                    "n": len(counts),
                    "weights": fsum(counts) / len(counts),
                    "sd": stdev(counts) if len(counts) > 1 else None,
                    "expected": fsum(float(part["expected"] or 0) for part in parts) / len(parts),
                }
            )
    return rows


def _common_tasks(evidence: Evidence, case: Case) -> list[str]:
    """Return the tasks that tickets are sourced on."""
    return list(dict.fromkeys(cell.recipe.dataset for cell in evidence.of("sources", case)))


def _votes(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.group_votes import votes_by_group

    for case in evidence.cases:
        rows = [row for t in case.at.get("votes", ()) for row in votes(evidence, case, t)]
        if not rows:
            continue
        table = Table(
            schema="maskstat.votes/1",
            columns=VOTE_COLUMNS,
            data={name: [row[name] for row in rows] for name in VOTE_COLUMNS},  # type: ignore[misc]
        )
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: weights that are kept on so many of the tasks "
            f"({', '.join(_common_tasks(evidence, case))}), method by method; diamonds, chance.",
            table=table,
            draw=partial(votes_by_group, table),
            gaps=gaps(evidence.of(_BOTH, case)),
        )


def same_on_every_task(evidence: Evidence) -> list[dict[str, object]]:
    """Check that random pruning with one seed prunes the same weights on every task.

    Returns
    -------
    list of dict
        A row a case, random method and seed, as in `RANDOM_COLUMNS`.
    """
    rows: list[dict[str, object]] = []
    for case in evidence.cases:
        cells = [c for c in evidence.of(_BOTH, case) if c.recipe.method.startswith("random")]
        found = dict.fromkeys((cell.recipe.method, cell.recipe.seed) for cell in cells)
        for method, seed in found:
            runs = evidence.runs(_BOTH, case, method=method, seed=seed)
            runs = [run for run in runs if run.layout == runs[0].layout]
            if len(runs) > 1:
                rows.append(
                    {
                        "case": case.title,
                        "method": method,
                        "seed": seed,
                        "tasks": len(runs),
                        "iterations": runs[0].n_iterations - 1,
                        "identical": _identical(runs),
                    }
                )
    return rows


def _identical(runs: Sequence[Run]) -> bool:
    first, *others = runs
    return all(
        run.n_iterations == first.n_iterations
        and all(run.mask(t) == first.mask(t) for t in range(first.n_iterations))
        for run in others
    )


def _random(evidence: Evidence) -> Iterator[Drawing]:
    rows = same_on_every_task(evidence)
    if rows:
        same = sum(bool(row["identical"]) for row in rows)
        yield Drawing(
            name="",
            caption=f"Free end-to-end test: {same} of {len(rows)} random prunings give identical "
            "masks on every task. No training, data or chance in common makes them so, only the "
            "seed.",
            table=Table(
                schema="maskstat.random-pruning/1",
                columns=RANDOM_COLUMNS,
                data={name: [row[name] for row in rows] for name in RANDOM_COLUMNS},  # type: ignore[misc]
            ),
        )


def _table_1(evidence: Evidence) -> Iterator[Drawing]:
    case = measured_case(evidence)
    measured = f"{case.title}, mean over its runs" if case else "none of our runs"
    yield Drawing(
        name="",
        caption="Thousands of parameters left after each pruning of 20 %: s exactly, from the "
        "layers of the real models, beside what the paper prints; ours under global unstructured "
        f"pruning: {measured}.",
        table=table_1(evidence),
        gaps=gaps(evidence.of("sources", case)) if case else (),
    )


EXHIBITS = [
    Exhibit(
        key="12",
        title="weights by the number of tasks that keep them",
        says="Global unstructured pruning is the most consistent across tasks, but for random "
        "pruning, whose weights are kept on all tasks or on none.",
        roles=("sources", "methods"),
        build=_votes,
    ),
    Exhibit(
        key="table-1",
        title="parameters left, explicitly and effectively",
        says="LeNet keeps 48 thousand parameters after the first pruning and 0.9 after the "
        "twentieth; few more are disconnected (0.8).",
        roles=("sources",),
        build=_table_1,
    ),
    Exhibit(
        key="random-pruning",
        title="random pruning is the same on every task",
        says="Random pruning consistently prunes the same set of weights across all tasks when the "
        "seed is kept (appendix E).",
        roles=("sources", "methods"),
        build=_random,
    ),
]
