"""Beyond Grosse & Backes (2020): overlap as a function of the epoch where two runs part."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from maskstat.reproduce.evidence import Evidence
from maskstat.reproduce.exhibit import Drawing, Exhibit, gaps
from maskstat.reproduce.exhibits.grosse_overlap import pairs_where
from maskstat.reproduce.plan import Case
from maskstat.stats.compare import compare
from maskstat.stats.summary import summarize
from maskstat.table import Column, Table

__all__ = ["EXHIBITS", "divergence"]

DIVERGENCE_COLUMNS = {
    "diverge_at": Column("integer", "epochs of each training whose order runs share"),
    "epochs": Column("integer", "epochs of each training; shared to the end, runs are the same"),
    "iteration": Column("integer", "pruning iteration"),
    "density": Column("number", "share of the weights kept"),
    "pairs": Column("integer", "pairs of runs of one initialization"),
    "jaccard": Column("number", "mean of the total Jaccard index over the pairs"),
    "expected_jaccard": Column("number", "the same by chance, each layer's sizes fixed"),
    "lift": Column("number", "shared weights / expected, over all pairs"),
    "above95": Column("number", "share of the pairs above the central 95 % region"),
}


def divergence(evidence: Evidence, case: Case) -> Table | None:
    """Tabulate the overlap of runs of one initialization by the epoch where they part.

    Parameters
    ----------
    evidence
        With runs of role ``dial``.
    case
        Of them.

    Returns
    -------
    Table or None
        A row an epoch and iteration; None without such runs.
    """
    rows: list[dict[str, object]] = []
    points = dict.fromkeys(cell.recipe.diverge_at for cell in evidence.of("dial", case))
    for at in points:
        cells = evidence.of("dial", case, diverge_at=at)
        runs = [cell.run for cell in cells if cell.run is not None]
        pairs = pairs_where(runs, same=("seed",))
        if not pairs:
            continue
        compared = compare(*runs, iteration="all", pairs=pairs)
        for row in summarize(compared):
            if row["layer"] == "total":
                distance = row["expected_distance"]
                rows.append(
                    {
                        **row,
                        "diverge_at": at,
                        "epochs": cells[0].recipe.epochs,
                        "expected_jaccard": None if distance is None else 1 - float(distance),
                    }
                )
    if not rows:
        return None
    return Table(
        schema="maskstat.divergence/1",
        columns=DIVERGENCE_COLUMNS,
        data={name: [row[name] for row in rows] for name in DIVERGENCE_COLUMNS},  # type: ignore[misc]
    )


def _dial(evidence: Evidence) -> Iterator[Drawing]:
    from maskstat.figures.divergence import overlap_by_divergence

    for case in evidence.cases:
        table = divergence(evidence, case)
        if table is not None:
            yield Drawing(
                name=case.name,
                caption=f"{case.title}: runs that share the order of the data until an epoch of "
                "every training. 0 is “not fixed”, the last is “fixed”.",
                table=table,
                draw=partial(overlap_by_divergence, table),
                gaps=gaps(evidence.of("dial", case)),
            )


EXHIBITS = [
    Exhibit(
        key="divergence",
        title="overlap over the epoch where two runs part (beyond the paper)",
        says="The paper has two points, not fixed and partially fixed, and does not say what the "
        "second fixes.",
        roles=("dial",),
        build=_dial,
    )
]
