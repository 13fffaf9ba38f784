"""Paganini & Forde (2020): tickets over tasks, Figures 5 to 7, 13 to 22, and Algorithm 1."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from maskstat.prune.retraining import tabulate
from maskstat.reproduce.evidence import Evidence, called
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.plan import Case, Tickets
from maskstat.reproduce.tickets import bespoke_iteration
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.consensus import Consensus, consensus
from maskstat.stats.initial import InitialWeights, initial
from maskstat.table import Column, Table

__all__ = ["EXHIBITS", "sourced", "specs", "voted"]

_SHOWN_TICKETS = 2
"""How many bespoke tickets the paper draws beside the consensus."""

ALGORITHM_COLUMNS = {
    "case": Column("text", "network"),
    "seed": Column("integer", "seed of the initial weights"),
    "tasks": Column("integer", "tasks whose tickets are intersected"),
    "sourced_at": Column("integer", "pruning iteration of those tickets"),
    "size": Column("integer", "prunable weights"),
    "sourced_density": Column("number", "share of the weights that each of them keeps, mean"),
    "kept": Column("integer", "weights that all of them keep: the consensus ticket"),
    "density": Column("number", "kept / size"),
    "expected_density": Column("number", "the same by chance, each layer's sizes fixed"),
    "bespoke_iteration": Column("integer", "iteration at which a bespoke ticket keeps as much"),
    "saved": Column("integer", "sequential prunings that sourcing in parallel saves"),
}


def specs(evidence: Evidence) -> Iterator[tuple[Case, Tickets]]:
    """Give each case whose tickets are intersected and retrained, and how they are."""
    for tickets in evidence.plan.tickets:
        yield evidence.plan.cases[tickets.case], tickets


def sourced(evidence: Evidence, tickets: Tickets, seed: int) -> list[Run]:
    """Return the runs of a seed whose masks are intersected, in the order of the tasks."""
    runs = evidence.runs("sources", tickets.case, seed=seed)
    return [run for run in runs if run.dataset in tickets.targets]


def voted(evidence: Evidence, tickets: Tickets, seed: int) -> Consensus:
    """Count the votes of a seed's tickets at the iteration at which they are intersected."""
    runs = sourced(evidence, tickets, seed)
    return consensus(*[(run, tickets.sourced_at) for run in runs])


def _task_heatmaps(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.heatmap import pairwise_heatmap

    for case in evidence.cases:
        cells = evidence.of("sources", case)
        if not cells:
            continue
        seed = cells[0].recipe.seed
        of_seed = evidence.of("sources", case, seed=seed)
        runs = [called(cell.run, cell.run.dataset) for cell in of_seed if cell.run is not None]
        for iteration in case.at.get("tasks", ()) if len(runs) > 1 else ():
            table = compare(*runs, iteration=iteration)
            yield Drawing(
                name=f"{case.name}-{iteration}",
                caption=f"{case.title}, seed {seed}, global unstructured pruning, iteration "
                f"{iteration}: total Jaccard distance between tickets found on every two tasks.",
                table=table,
                draw=partial(pairwise_heatmap, table),
                gaps=gaps(of_seed),
            )


def _retrained(evidence: Evidence, *, trained: bool, held_out: bool) -> Iterator[Drawing]:
    from maskstat.figures.tickets import tickets_on_tasks

    for case, tickets in specs(evidence):
        wanted = tickets.held_out if held_out else tickets.targets
        runs = [
            run
            for task in (wanted if trained else (*tickets.targets, *tickets.held_out))
            for run in evidence.retrained.get(case.name, ())
            if run.dataset == task
            and bool(run.provenance["settings"]["train"]["epochs"]) == trained
        ]
        if not runs:
            continue
        table = tabulate(runs, group_by="source")
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: test accuracy of bespoke, consensus and random tickets on each "
            f"task, {len(runs)} trainings."
            if trained
            else f"{case.title}: the same tickets at initialization, before any training.",
            table=table,
            draw=partial(tickets_on_tasks, table),
            gaps=gaps(evidence.of("sources", case)),
        )


def _weights(evidence: Evidence, tickets: Tickets, seed: int) -> InitialWeights:
    """Describe the initial weights of a consensus ticket and of two bespoke ones as sparse."""
    ticket = evidence.consensus[tickets.case][seed]
    bespoke = sourced(evidence, tickets, seed)[:_SHOWN_TICKETS]
    return initial(ticket, *[(run, bespoke_iteration(run, ticket)) for run in bespoke])


def _histograms(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.initial_weights import initial_weight_histograms

    for case, tickets in specs(evidence):
        for seed in list(evidence.consensus.get(case.name, {}))[:1]:
            table = _weights(evidence, tickets, seed)
            yield Drawing(
                name=case.name,
                caption=f"{case.title}, seed {seed}: initial values of the weights in the "
                "consensus ticket and in two bespoke tickets that keep as many.",
                table=table.histogram,
                draw=partial(initial_weight_histograms, table),
                gaps=gaps(evidence.of("sources", case)),
            )


def _spreads(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.initial_weights import initial_weight_spread

    for case, tickets in specs(evidence):
        seeds = evidence.consensus.get(case.name, {})
        tables = [_weights(evidence, tickets, seed) for seed in seeds]
        if not tables:
            continue
        yield Drawing(
            name=case.name,
            caption=f"{case.title}: standard deviation at initialization, layer by layer, over "
            f"{len(tables)} initializations.",
            table=_joined(tables),
            draw=partial(initial_weight_spread, *tables),
            gaps=gaps(evidence.of("sources", case)),
        )


def _joined(tables: list[InitialWeights]) -> Table:
    """Put tables of the same columns under each other."""
    first = tables[0]
    return Table(
        schema=first.schema,
        columns=first.columns,
        data={name: [cell for table in tables for cell in table.data[name]] for name in first.data},
    )


def _compositions(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.composition import ticket_composition

    for case, tickets in specs(evidence):
        for seed in list(evidence.consensus.get(case.name, {}))[:1]:
            table = voted(evidence, tickets, seed)
            yield Drawing(
                name=case.name,
                caption=f"{case.title}, seed {seed}: weights of each layer by the number of tasks "
                f"whose ticket keeps them, at iteration {tickets.sourced_at}.",
                table=table,
                draw=partial(ticket_composition, table),
                gaps=gaps(evidence.of("sources", case)),
            )


def _algorithm(evidence: Evidence) -> Iterator[Drawing]:
    rows: list[dict[str, object]] = []
    missing = []
    for case, tickets in specs(evidence):
        missing += evidence.of("sources", case)
        for seed, ticket in evidence.consensus.get(case.name, {}).items():
            runs = sourced(evidence, tickets, seed)
            mask = ticket.mask(1)
            (at_all,) = voted(evidence, tickets, seed).where(layer="total", votes=len(runs))
            at = bespoke_iteration(runs[0], ticket)
            rows.append(
                {
                    "case": case.title,
                    "seed": seed,
                    "tasks": len(runs),
                    "sourced_at": tickets.sourced_at,
                    "size": mask.layout.size,
                    "sourced_density": sum(run.density(tickets.sourced_at) for run in runs)
                    / len(runs),
                    "kept": mask.n_kept,
                    "density": mask.density,
                    "expected_density": float(at_all["expected"] or 0) / mask.layout.size,
                    "bespoke_iteration": at,
                    "saved": at - tickets.sourced_at,
                }
            )
    if rows:
        yield Drawing(
            name="",
            caption="Algorithm 1: bespoke tickets sourced side by side, their intersection, and "
            "the iteration that a bespoke ticket needs to become as sparse. The tickets are in "
            "tickets/.",
            table=Table(
                schema="maskstat.algorithm-1/1",
                columns=ALGORITHM_COLUMNS,
                data={name: [row[name] for row in rows] for name in ALGORITHM_COLUMNS},  # type: ignore[misc]
            ),
            gaps=gaps(missing),
        )


EXHIBITS = [
    Exhibit(
        key="5",
        title="distance between tickets found on every two tasks",
        says="Masks sourced on different tasks are largely dissimilar, but not disjoint: even at "
        "99 % sparsity they share 6 to 10 % of their weights.",
        roles=("sources",),
        build=_task_heatmaps,
    ),
    Exhibit(
        key="6",
        title="bespoke, consensus and random tickets retrained on the tasks",
        says="Each bespoke ticket performs best on its own task, others remain competitive, and "
        "the consensus ticket trains to comparable accuracy.",
        roles=("sources", "tickets", "retrained"),
        build=partial(_retrained, trained=True, held_out=False),
    ),
    Exhibit(
        key="7-17-19",
        title="initial weights of tickets",
        says="Weights of tickets have a symmetric bimodal distribution at initialization; those of "
        "the consensus ticket have a smaller variance, closer to the whole layer’s.",
        roles=("sources", "tickets"),
        build=_histograms,
        also=("7", "17", "18", "19"),
    ),
    Exhibit(
        key="13-16",
        title="composition of the consensus ticket",
        says="The share of weights that all tasks keep falls with the layer’s size; the largest "
        "layers remain largest in the ticket.",
        roles=("sources", "tickets"),
        build=_compositions,
        also=("13", "14", "15", "16"),
    ),
    Exhibit(
        key="20",
        title="standard deviation of initial weights, layer by layer",
        says="Smallest for the whole layer, then the consensus ticket, then the bespoke tickets.",
        roles=("sources", "tickets"),
        build=_spreads,
    ),
    Exhibit(
        key="21",
        title="tickets at initialization",
        says="Tickets are not better than random before training, but for bespoke tickets of large "
        "networks (AlexNet, VGG11).",
        roles=("sources", "tickets", "retrained"),
        build=partial(_retrained, trained=False, held_out=False),
    ),
    Exhibit(
        key="22",
        title="tickets retrained on held-out tasks",
        says="Bespoke and consensus tickets train on tasks that they were not sourced on.",
        roles=("sources", "tickets", "retrained"),
        build=partial(_retrained, trained=True, held_out=True),
    ),
    Exhibit(
        key="algorithm-1",
        title="consensus tickets sourced in parallel",
        says="LeNet tickets of 35.9 % sparsity on five tasks intersect in one of about 85 %, as "
        "sparse as a bespoke ticket after 9 prunings: 7 sequential prunings are saved.",
        roles=("sources", "tickets"),
        build=_algorithm,
    ),
]
