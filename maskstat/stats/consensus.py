"""Consensus: in how many of N masks each weight is kept, and the ticket of those kept often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from maskstat.bits import Words
from maskstat.errors import UsageError
from maskstat.mask import Mask
from maskstat.run import Run
from maskstat.stats.comparands import Comparand, Subject, comparands
from maskstat.stats.vote_bins import (
    BASELINE_COLUMNS,
    CONSENSUS_COLUMNS,
    baseline_columns,
    vote_bins,
)
from maskstat.table import Cell, Columns, Table
from maskstat.votes import tally, vote_counts

__all__ = ["Consensus", "consensus", "least_votes"]


def least_votes(n_masks: int, *, threshold: Fraction) -> int:
    """Return the least number of votes v with v / N >= threshold, decided by integers.

    Parameters
    ----------
    n_masks
        N.
    threshold
        In (0, 1].

    Returns
    -------
    int

    Examples
    --------
    >>> least_votes(5, threshold=Fraction("0.6"))
    3
    """
    return -(-threshold.numerator * n_masks // threshold.denominator)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Consensus(Table):
    """The consensus of N masks.

    Parameters
    ----------
    least
        A weight is in the ticket if at least this many masks keep it.
    ticket
        The consensus ticket (Paganini & Forde 2020, 4.2).
    comparands
        The inputs, one mask each.
    """

    least: int
    ticket: Mask
    comparands: Sequence[Comparand]

    @property
    def sources(self) -> list[Mask]:
        """The masks that voted."""
        return [next(iter(one.masks.values())) for one in self.comparands]

    def to_run(self, run_id: str = "consensus") -> Run:
        """Return the ticket as a run: dense, then the ticket, with votes and initial weights.

        Parameters
        ----------
        run_id
            Name inside an archive.

        Returns
        -------
        Run
            Its provenance names the parents by digest. Initial weights and what is never pruned
            are the parents', where all that store them agree.
        """
        parents = [one.run for one in self.comparands if one.run is not None]
        whole = all(run.layout == self.ticket.layout for run in parents)
        shared_start = whole and len(parents) == len(self.comparands) and _same_start(parents)
        return Run.from_masks(
            run_id,
            [self.ticket],
            model=_common([run.model for run in parents]),
            dataset="+".join(dict.fromkeys(run.dataset for run in parents if run.dataset)),
            method="consensus",
            votes=_all_votes(self.sources),
            weights={"initial": parents[0].weights["initial"]} if shared_start else {},
            others=_common_others(parents) if shared_start else {},
            provenance={
                **_common_recipe(parents, of=len(self.comparands)),
                "kind": "consensus",
                "masks": len(self.comparands),
                "at_least": self.least,
                "initial_weights": "the parents' own" if shared_start else "none in common",
                "parents": [one.record() for one in self.comparands],
            },
        )


def consensus(
    *subjects: Subject,
    threshold: Fraction | str | float | None = None,
    at_least_votes: int | None = None,
    iteration: str | int = "last",
    layers: str | Sequence[str] = (),
    baseline: str = "exact",
    limit_memory: int | None = None,
    threads: int | None = None,
) -> Consensus:
    """Count votes over masks and make the consensus ticket.

    Parameters
    ----------
    *subjects
        Runs, masks, or runs with an iteration; one mask is taken of each.
    threshold
        Share of the masks that has to keep a weight, in (0, 1]; a decimal text is exact. The
        default, 1, is the intersection: the prêt-à-porter ticket of Paganini & Forde (2020, 4.2).
    at_least_votes
        The same as an exact count.
    iteration
        ``last`` or a number.
    layers
        Glob of the layers to look at, or several; none means all.
    baseline
        ``exact``, or ``grosse2020``: beside the exact numbers those of Grosse & Backes (2020),
        Appendix B, as printed and repaired, with a note on what of them can be used.
    limit_memory
        Most bytes of the buffers in which votes are counted; by default 256 MiB. The ticket comes
        on top.
    threads
        How many count at once where masks are in memory and large; by default as many as there
        are processor cores, at most four. The result is the same.

    Returns
    -------
    Consensus
        A row for every layer and number of votes, layers in network order, then the total.

    Raises
    ------
    UsageError
        The threshold cannot be met, both forms of it are given, several iterations of a run were
        selected, or there is no such baseline.
    LayoutMismatchError
        The layers differ.

    Notes
    -----
    Expectation and standard deviation of every bin are exact for fixed mask sizes and uniform
    choice within each layer; totals add the layers' means and variances.

    Examples
    --------
    >>> masks = [Mask.from_arrays({"fc": bits}) for bits in ([1, 1, 0], [1, 0, 0], [1, 0, 1])]
    >>> consensus(*masks, threshold="2/3").ticket.layer("fc").tolist()
    [True, False, False]
    """
    chosen = comparands(subjects, iteration=iteration, layers=layers)
    for one in chosen:
        if len(one.masks) != 1:
            raise UsageError(
                f"{len(one.masks)} iterations are selected",
                code="several-iterations",
                place=one.label,
                consequence="a consensus takes one mask of each input",
                hint="--iteration last",
            )
    if baseline not in ("exact", "grosse2020"):
        raise UsageError(
            f"there is no baseline '{baseline}'",
            code="unknown-baseline",
            place="--baseline",
            consequence="there are: exact, grosse2020",
        )
    masks = [next(iter(one.masks.values())) for one in chosen]
    least = _least(len(masks), threshold, at_least_votes)
    layout = masks[0].layout
    votes = tally(
        masks, layout.edges, layout.sizes, least=least, limit=limit_memory, threads=threads
    )
    kept = np.stack([mask.kept for mask in masks])
    columns: Columns = CONSENSUS_COLUMNS
    data = vote_bins(votes.histogram, layout, kept, least)
    if _dependent(chosen):
        unknown: list[Cell] = [None] * len(data["layer"])
        data |= dict.fromkeys(("z", "log10_p", "omnibus_df", "omnibus_log10_p"), unknown)
        data["note"] = ["same-run"] * len(unknown)
    if baseline == "grosse2020":
        columns = {**CONSENSUS_COLUMNS, **BASELINE_COLUMNS}
        data |= baseline_columns(layout, kept)
    return Consensus(
        schema="maskstat.consensus/1",
        columns=columns,
        data=data,
        inputs=[one.record() for one in chosen],
        parameters={"at_least": least, "masks": len(masks), "baseline": baseline},
        least=least,
        ticket=Mask(layout, Words(votes.ticket), label="consensus", iteration=1),
        comparands=chosen,
    )


def _least(n: int, threshold: Fraction | str | float | None, at_least_votes: int | None) -> int:
    """Settle how many votes a weight needs."""
    if threshold is not None and at_least_votes is not None:
        raise UsageError(
            "a threshold and a count are both given",
            code="bad-threshold",
            place="--threshold",
            consequence="one of them decides",
        )
    if at_least_votes is not None:
        if at_least_votes not in range(1, n + 1):
            raise UsageError(
                f"{at_least_votes} votes of {n} masks",
                code="bad-threshold",
                place="--at-least",
                consequence=f"it takes 1 to {n}",
            )
        return int(at_least_votes)
    try:
        share = Fraction(1 if threshold is None else str(threshold))
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise UsageError(
            f"'{threshold}' is no share of the masks",
            code="bad-threshold",
            place="--threshold",
            consequence="it takes a fraction in (0, 1], e.g. 0.6 or 2/3",
        )
    return least_votes(n, threshold=share)


def _dependent(chosen: Sequence[Comparand]) -> bool:
    """Tell whether two of the masks are of one run, so that they are no independent draws."""
    runs = [one.run for one in chosen if one.run is not None]
    keys = [run.digest or id(run) for run in runs]
    return len(set(keys)) < len(keys)


def _all_votes(masks: Sequence[Mask]) -> np.ndarray:
    """Votes of every weight in layout order, without the padding."""
    layers = []
    for layer in masks[0].layout.layers:
        stop = layer.word_offset + layer.n_words
        layers.append(vote_counts(masks, layer.word_offset, stop)[: layer.size])
    return np.concatenate(layers)


def _common(values: Sequence[str]) -> str:
    return values[0] if values and len(set(values)) == 1 else ""


def _same_start(runs: Sequence[Run]) -> bool:
    """Tell whether all runs store the same initial values of everything that they store."""
    if any("initial" not in run.weights for run in runs):
        return False
    first = runs[0]
    return all(
        np.array_equal(first.weight("initial"), run.weight("initial"))
        and first.layout.others == run.layout.others
        and ("initial" in first.others) == ("initial" in run.others)
        and (
            "initial" not in first.others
            or np.array_equal(first.others["initial"][:], run.others["initial"][:])
        )
        for run in runs[1:]
    )


def _common_recipe(runs: Sequence[Run], *, of: int) -> dict[str, Any]:
    """Return the settings in which all parents agree, if all were pruned by recipes."""
    stored = [run.provenance.get("recipe") for run in runs]
    recipes = [recipe for recipe in stored if isinstance(recipe, Mapping)]
    return {"recipe": _agreed(recipes)} if len(recipes) == of else {}


def _agreed(trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keep the leaves that nested tables share."""
    first, *others = trees
    agreed: dict[str, Any] = {}
    for name, value in first.items():
        found = [other.get(name) for other in others]
        tables = [table for table in (value, *found) if isinstance(table, Mapping)]
        if len(tables) == len(trees):
            agreed[name] = _agreed(tables)
        elif all(x == value for x in found):
            agreed[name] = value
    return agreed


def _common_others(runs: Sequence[Run]) -> dict[str, np.ndarray]:
    if "initial" not in runs[0].others:
        return {}
    return {"initial": np.asarray(runs[0].others["initial"][:], np.float32)}
