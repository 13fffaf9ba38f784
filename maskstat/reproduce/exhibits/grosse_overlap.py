"""Grosse & Backes (2020): overlaps of masks, Figures 2, 3, 8, 10, 13, 14, and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

from maskstat.reproduce.evidence import Cell, Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.plan import Case
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.shared_kept import shared_and_never
from maskstat.table import Table

__all__ = ["EXHIBITS", "PLOTTED_LAYERS", "pairs_where", "plotted", "with_siblings"]

PLOTTED_LAYERS = (1, 11, 12, 18, 19)
"""Layers of a ResNet18 that the paper plots, counted from 1 in network order."""

_MOST_LAYERS = 8


def plotted(run: Run) -> tuple[str, ...]:
    """Return the layers that figures show: all of a small network, the paper's five of a large."""
    names = run.layout.names
    if len(names) <= _MOST_LAYERS:
        return ()
    return tuple(names[place - 1] for place in PLOTTED_LAYERS if place <= len(names))


def pairs_where(runs: Sequence[Run], *, same: Iterable[str] = (), other: Iterable[str] = ()) -> str:
    """Name the pairs of runs that agree in some of their fields and differ in others.

    Parameters
    ----------
    runs
        The runs.
    same, other
        Names of fields of a run, e.g. ``seed`` or ``dataset``.

    Returns
    -------
    str
        As `compare` takes pairs; empty if there are none.
    """
    same, other = list(same), list(other)
    return ",".join(
        f"{i + 1}:{j + 1}"
        for i, a in enumerate(runs)
        for j, b in enumerate(runs[i + 1 :], i + 1)
        if all(getattr(a, name) == getattr(b, name) for name in same)
        and all(getattr(a, name) != getattr(b, name) for name in other)
    )


def with_siblings(runs: Sequence[Run]) -> list[Run]:
    """Keep the runs whose initialization another run has too."""
    times = Counter(run.seed for run in runs)
    return [run for run in runs if times[run.seed] > 1]


def _overlap(
    case: Case,
    cells: Sequence[Cell],
    *,
    iteration: int,
    same: Iterable[str] = (),
    other: Iterable[str] = (),
    side: Literal["both", "within", "across"],
    what: str,
    name: str,
    group_by: str = "seed",
) -> Iterator[Drawing]:
    """Compare the pairs of a kind at one iteration, and draw them over their law by chance."""
    from maskstat.figures.overlap import overlap_beside_chance

    runs = [cell.run for cell in cells if cell.run is not None]
    pairs = pairs_where(runs, same=same, other=other)
    if not pairs:
        return
    table = compare(*runs, iteration=iteration, pairs=pairs)
    shown = plotted(runs[0])
    drawn = compare(*runs, iteration=iteration, pairs=pairs, layers=shown) if shown else table
    draw: Any = partial(overlap_beside_chance, drawn, group_by=group_by, side=side)
    yield Drawing(
        name=name,
        caption=f"{case.title}, iteration {iteration} ({_kept(runs, iteration)} kept): {what}. "
        "Grey, the exact law of chance with its central 95 %.",
        table=table,
        draw=draw,
        gaps=gaps(cells),
    )


def _kept(runs: Sequence[Run], iteration: int) -> str:
    return f"{100 * runs[0].density(iteration):.3g} %"


def _within(evidence: Evidence, role: str, at: str) -> Iterator[Drawing]:
    """Pairs of runs of one initialization."""
    for case in evidence.cases:
        cells = evidence.of(role, case)
        iterations = case.at.get(at, ())
        for iteration in iterations if cells else ():
            yield from _overlap(
                case,
                cells,
                iteration=iteration,
                same=("seed",),
                side="within",
                what="pairs of runs from one initialization, a row an initialization",
                name=case.name if len(iterations) == 1 else f"{case.name}-{iteration}",
            )


def _across_initializations(evidence: Evidence) -> Iterator[Drawing]:
    for case in evidence.cases:
        cells = evidence.of("unfixed", case)
        for iteration in case.at.get("across", ()) if cells else ():
            yield from _overlap(
                case,
                cells,
                iteration=iteration,
                other=("seed",),
                side="across",
                what="pairs of runs from different initializations",
                name=case.name,
            )


def _across_tasks(evidence: Evidence) -> Iterator[Drawing]:
    """Pairs of runs of one initialization on different tasks."""
    for case in evidence.cases:
        others = evidence.of("tasks", case)
        cells = [*evidence.of("partial", case), *others]
        for iteration in case.at.get("tasks", ()) if others else ():
            yield from _overlap(
                case,
                _fewer(cells, [cell.recipe.replicate for cell in others]),
                iteration=iteration,
                same=("seed",),
                other=("dataset",),
                side="within",
                what="pairs of runs from one initialization on different tasks ("
                + ", ".join(dict.fromkeys(cell.recipe.dataset for cell in cells))
                + "), a row an initialization",
                name=f"{case.name}-{iteration}",
            )


def _fewer(cells: Sequence[Cell], replicates: Sequence[int]) -> list[Cell]:
    """Keep the replicates that all tasks have."""
    return [cell for cell in cells if cell.recipe.replicate in set(replicates)]


def _shared(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.shared import shared_over_iterations

    for case in evidence.cases:
        runs = with_siblings(evidence.runs("unfixed", case))
        if not runs:
            continue
        table: Table = shared_and_never(*runs, group_by="seed", layers=plotted(runs[0]))
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: weights that all runs of an initialization keep, and that none "
            "keeps, beside the exact expectation and the paper’s own baseline.",
            table=table,
            draw=partial(shared_over_iterations, table),
            gaps=gaps(evidence.of("unfixed", case)),
        )


EXHIBITS = [
    Exhibit(
        key="2",
        title="overlap across initializations",
        says="The observed overlaps match the hypergeometric baseline closely.",
        roles=("unfixed",),
        build=_across_initializations,
    ),
    Exhibit(
        key="3",
        title="overlap within an initialization, randomness not fixed",
        says="Tickets for the same initialization are not equivalent, and show barely more overlap "
        "than expected: around 10 % (Fashion-MNIST), 5 % (CIFAR-10) and 2.5 % (ResNet18).",
        roles=("unfixed",),
        build=partial(_within, role="unfixed", at="high"),
    ),
    Exhibit(
        key="4",
        title="weights shared by all tickets, and kept by none",
        says="There is no significant amount of shared weights, or of weights that never form part "
        "of any mask: about 8 to 10 % of the first layer are shared at 50 %, none from the third "
        "step on; all values lie within their expected baselines.",
        roles=("unfixed",),
        build=_shared,
        also=("4a", "4b"),
    ),
    Exhibit(
        key="8",
        title="overlap within an initialization at the first pruning step, not fixed",
        says="The overlaps are as random as predicted by the hypergeometric: around 50 %.",
        roles=("unfixed",),
        build=partial(_within, role="unfixed", at="low"),
    ),
    Exhibit(
        key="10",
        title="overlap within an initialization, randomness partially fixed",
        says="The overlap is larger than expected: 30 to 70 % where chance gives 10 "
        "(Fashion-MNIST), 5 to 50 % where it gives 5 (CIFAR-10), and little more than 2.5 % in "
        "ResNet18 but for the first layer.",
        roles=("partial",),
        build=partial(_within, role="partial", at="high"),
        also=("7b", "7c"),
    ),
    Exhibit(
        key="13",
        title="overlap across tasks, same initialization, randomness partially fixed",
        says="The overlaps are in some cases higher than chance on different tasks: 50 to 65 % "
        "where chance gives 50, and 5 to 16 % in layers three and four where it gives 5.",
        roles=("partial", "tasks"),
        build=_across_tasks,
        also=("7e",),
    ),
    Exhibit(
        key="14",
        title="overlap with layers of equal size, randomness partially fixed",
        says="Layer size has more effect than position: with inner layers of similar size, 65 to "
        "82 % at the first step and 10 to 25 % at 95 %, much as in the outer layers.",
        roles=("equal",),
        build=partial(_within, role="equal", at="equal"),
        also=("7d",),
    ),
]
