"""Runs that differ in one setting alone: how far apart their masks and predictions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maskstat.run import Run
from maskstat.stats.accuracy import half_sd_band
from maskstat.stats.compare import compare
from maskstat.stats.summary import summarize
from maskstat.stats.twins import Twins, twins
from maskstat.table import Cell, Column, Table

__all__ = [
    "CONTRAST_COLUMNS",
    "PREDICTION_COLUMNS",
    "contrast",
    "contrast_predictions",
]

_GROUP = {
    "group": Column("text", "what the pairs have in common, as a line of a figure is named"),
    "value_a": Column("text", "the setting in which a pair differs, of the first run"),
    "value_b": Column("text", "the same of the second run"),
    "iteration": Column("integer", "pruning iteration of both"),
}

CONTRAST_COLUMNS = {
    **_GROUP,
    "layer": Column("text", "layer, or 'total' for all of them"),
    "size": Column("integer", "weights"),
    "density": Column("number", "mean kept share"),
    "pairs": Column("integer", "pairs, each of one seed: the replicates"),
    "jaccard_distance": Column("number", "mean over pairs"),
    "low": Column("number", "mean - sd / 2 over pairs: the band is one sd wide"),
    "high": Column("number", "mean + sd / 2"),
    "expected_distance": Column("number", "mean over pairs of the distance expected by chance"),
}

PREDICTION_COLUMNS = {
    **_GROUP,
    "dataset": Column("text", "data set of the examples"),
    "examples": Column("integer", "examples that both predict the class of"),
    "pairs": Column("integer", "pairs, each of one seed: the replicates"),
    "agreement": Column("number", "mean share of examples with the same predicted class"),
    "low": Column("number", "mean - sd / 2 over pairs: the band is one sd wide"),
    "high": Column("number", "mean + sd / 2"),
    "expected_agreement": Column(
        "number", "by chance, from how often each predicts each class; mean over pairs"
    ),
    "kappa": Column("number", "(agreement - expected) / (1 - expected); mean over pairs"),
}


def contrast(
    *subjects: Run | tuple[Run, int | None],
    differ: str = "rewind",
    baseline: str | None = None,
    iteration: str | int = "all",
    layers: str | Sequence[str] = (),
) -> Table:
    """Average the distance of masks whose runs differ in one setting alone.

    Parameters
    ----------
    *subjects
        Runs, or runs with an iteration.
    differ, baseline
        As in `maskstat.stats.twins.twins`.
    iteration
        ``all``, ``last``, a number or a range ``A-B``.
    layers
        Glob of the layers to look at, or several; none means all. The total is over these.

    Returns
    -------
    Table
        A row a group, iteration and layer, then the total.

    Raises
    ------
    UsageError
        As in `maskstat.stats.twins.twins`, or an option cannot be used.
    LayoutMismatchError
        The layers differ.
    NotFoundError
        There is no such iteration or layer.

    Notes
    -----
    Paganini & Forde (2020), Figures 3 and 10 (``differ="method", baseline="l2-structured"``) and 9
    (``differ="rewind"``): distances conditional on identical seed. Here no run occurs in two pairs
    of a group, so pairs are the replicates.

    Examples
    --------
    >>> from maskstat.mask import Mask
    >>> runs = [
    ...     Run.from_masks("r", [Mask.from_arrays({"fc": bits})], method=method, seed=0)
    ...     for method, bits in (("l1", [1, 1, 0, 0]), ("l2", [1, 0, 1, 0]))
    ... ]
    >>> row = contrast(*runs, differ="method").where(layer="fc")[0]
    >>> row["group"], row["pairs"], round(row["jaccard_distance"], 3)
    ('l1 and l2', 1, 0.667)
    """
    paired = twins(_runs(subjects), differ=differ, baseline=baseline)
    compared = compare(*subjects, iteration=iteration, layers=layers, pairs=_positions(paired))
    rows: list[dict[str, Cell]] = []
    for group, (twin, part) in _by_group(compared, paired).items():
        sizes = {row["layer"]: row["size"] for row in part}
        rows.extend(
            {
                "group": group,
                "value_a": twin.value_a,
                "value_b": twin.value_b,
                **{name: row[name] for name in CONTRAST_COLUMNS if name in row and name != "group"},
                "size": sizes[row["layer"]],
            }
            for row in summarize(part, band="half-sd")
        )
    parameters = {"differ": differ, "baseline": baseline, "band": "half-sd"}
    return _table("maskstat.contrast/1", CONTRAST_COLUMNS, rows, compared, parameters)


def contrast_predictions(
    *subjects: Run | tuple[Run, int | None],
    differ: str = "method",
    baseline: str | None = None,
    iteration: str | int = "all",
    dataset: str | None = None,
) -> Table:
    """Average on how many examples networks agree whose runs differ in one setting alone.

    Parameters
    ----------
    *subjects
        Runs that store outputs, or such runs with an iteration.
    differ, baseline
        As in `maskstat.stats.twins.twins`.
    iteration
        ``all``, ``last``, a number or a range ``A-B``.
    dataset
        Data set by name; None takes the one that all have.

    Returns
    -------
    Table
        A row a group and iteration.

    Raises
    ------
    UsageError
        As in `maskstat.stats.twins.twins`, or an option cannot be used.
    NotFoundError
        Outputs are not stored.
    LayoutMismatchError
        The outputs are not on the same examples.

    Notes
    -----
    Paganini & Forde (2020), Figure 11, which has no chance level beside it.
    """
    from maskstat.stats.outputs import outputs

    paired = twins(_runs(subjects), differ=differ, baseline=baseline)
    compared = outputs(*subjects, iteration=iteration, dataset=dataset, pairs=_positions(paired))
    rows: list[dict[str, Cell]] = []
    for group, (twin, part) in _by_group(compared, paired).items():
        cells: dict[int | None, list[dict[str, Any]]] = {}
        for row in part:
            same = row["iteration_a"] == row["iteration_b"]
            cells.setdefault(row["iteration_a"] if same else None, []).append(row)  # type: ignore[arg-type]
        rows.extend(
            {
                "group": group,
                "value_a": twin.value_a,
                "value_b": twin.value_b,
                "iteration": iteration_,
                **_agreement(cell),
            }
            for iteration_, cell in cells.items()
        )
    parameters = {"differ": differ, "baseline": baseline, "band": "half-sd"}
    return _table("maskstat.contrast-predictions/1", PREDICTION_COLUMNS, rows, compared, parameters)


def _agreement(cell: Sequence[Mapping[str, Any]]) -> dict[str, Cell]:
    known = [row for row in cell if row["agreement"] is not None]
    mean, _, low, high = half_sd_band([row["agreement"] for row in known])
    averages = {}
    for name in ("expected_agreement", "kappa"):
        values = [row[name] for row in known if row[name] is not None]
        averages[name] = sum(values) / len(values) if values else None
    return {
        "dataset": cell[0]["dataset"],
        "examples": cell[0]["n"],
        "pairs": len(known),
        "agreement": mean,
        "low": low,
        "high": high,
        **averages,
    }


def _runs(subjects: Sequence[Run | tuple[Run, int | None]]) -> list[Run]:
    return [one[0] if isinstance(one, tuple) else one for one in subjects]


def _positions(paired: Sequence[Twins]) -> str:
    return ",".join(f"{twin.a + 1}:{twin.b + 1}" for twin in paired)


def _by_group(compared: Table, paired: Sequence[Twins]) -> dict[str, tuple[Twins, Table]]:
    """Divide the rows of a comparison by the group of their pair, in the order of the pairs."""
    paths = [str(record["path"]) for record in compared.inputs]
    group_of = {(paths[twin.a], paths[twin.b]): twin for twin in paired}
    rows: dict[str, list[dict[str, Cell]]] = {}
    first: dict[str, Twins] = {}
    for twin in paired:
        first.setdefault(twin.group, twin)
        rows.setdefault(twin.group, [])
    for row in compared:
        rows[group_of[str(row["a"]), str(row["b"])].group].append(row)
    return {
        group: (
            first[group],
            Table(
                schema=compared.schema,
                columns=compared.columns,
                data={name: [row[name] for row in part] for name in compared.data},
                inputs=compared.inputs,
                parameters=compared.parameters,
            ),
        )
        for group, part in rows.items()
    }


def _table(
    schema: str,
    columns: Mapping[str, Column],
    rows: Sequence[Mapping[str, Cell]],
    compared: Table,
    parameters: Mapping[str, Cell],
) -> Table:
    return Table(
        schema=schema,
        columns=columns,
        data={name: [row[name] for row in rows] for name in columns},
        inputs=compared.inputs,
        parameters={**compared.parameters, **parameters},
    )
