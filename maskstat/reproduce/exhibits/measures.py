"""Measures: the few numbers that claims are judged by, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, isnan, lgamma, log, log1p, nan, sqrt
from statistics import stdev
from typing import Any

from maskstat.reproduce.exhibits.grosse_overlap import pairs_where
from maskstat.run import Run
from maskstat.stats.compare import compare
from maskstat.stats.summary import summarize

__all__ = ["Overlap", "binomial_at_least", "mean", "overlap", "plain", "standard_error"]

_RARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The total overlap of some pairs of masks beside layer-stratified chance.

    Parameters
    ----------
    pairs
        How many can be tested; with nothing pruned, none can.
    density
        Mean share of the weights kept.
    jaccard, expected
        Mean Jaccard index over the pairs, and by chance with each layer's sizes fixed.
    lift
        Shared weights over expected ones.
    above
        Share of the pairs above the central 95 % region of the total's exact law.
    expected_above, sd_above
        The same by chance, exactly, and its standard deviation over as many pairs.
    """

    pairs: int
    density: float
    jaccard: float
    expected: float
    lift: float
    above: float
    expected_above: float
    sd_above: float

    @property
    def beyond_chance(self) -> bool:
        """Whether chance puts so many pairs above in fewer than one case of a hundred.

        Binomial with the exact size of the test: under chance pairs are independent two by two.
        """
        if isnan(self.above) or not self.pairs:
            return False
        seen = round(self.above * self.pairs)
        return binomial_at_least(seen, self.pairs, self.expected_above) < _RARE

    @property
    def text(self) -> str:
        """Overlap and share of pairs above, for a report."""
        return (
            f"lift {self.lift:.2f}, Jaccard {self.jaccard:.3f}, {100 * self.above:.0f} % of "
            f"{self.pairs} pairs above the central 95 % ({100 * self.density:.3g} % kept)"
        )

    @property
    def chance(self) -> str:
        """What chance gives, for a report."""
        return (
            f"chance, layer by layer: lift 1, Jaccard {self.expected:.3f}, "
            f"{100 * self.expected_above:.1f} ± {100 * self.sd_above:.1f} % of pairs above"
        )


def overlap(
    runs: Sequence[Run],
    *,
    iteration: int,
    same: Iterable[str] = (),
    other: Iterable[str] = (),
) -> Overlap | None:
    """Measure the total overlap of the pairs that agree in some fields and differ in others.

    Parameters
    ----------
    runs
        The runs.
    iteration
        Of all of them.
    same, other
        As `pairs_where` takes them.

    Returns
    -------
    Overlap or None
        None if there are no pairs.
    """
    pairs = pairs_where(runs, same=same, other=other)
    if not pairs:
        return None
    (row,) = summarize(compare(*runs, iteration=iteration, pairs=pairs)).where(layer="total")
    return Overlap(
        pairs=int(row["tested"] or 0),
        density=_number(row, "density"),
        jaccard=_number(row, "jaccard"),
        expected=1 - _number(row, "expected_distance"),
        lift=_number(row, "lift"),
        above=_number(row, "above95"),
        expected_above=_number(row, "expected_above95"),
        sd_above=_number(row, "sd_above95"),
    )


def binomial_at_least(k: int, n: int, p: float) -> float:
    """Return P(X >= k) of a binomial count; its coefficients overflow from n = 1030 on."""
    if p <= 0 or p >= 1:
        return float(k <= (0 if p <= 0 else n))
    logs = (
        lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) + j * log(p) + (n - j) * log1p(-p)
        for j in range(k, n + 1)
    )
    return min(1.0, fsum(map(exp, logs)))


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row[name]
    return nan if value is None else float(value)


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return fsum(values) / len(values) if values else nan


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean of independent values; NaN of fewer than two."""
    return stdev(values) / sqrt(len(values)) if len(values) > 1 else nan


def plain(values: Iterable[object], *, column: str = "") -> list[float]:
    """Keep the numbers that exist.

    Parameters
    ----------
    values
        Numbers, None among them, or rows of which a column holds them.
    column
        Its name.

    Returns
    -------
    list of float
    """
    picked: Iterable[Any] = (
        (row[column] for row in values) if column else values  # type: ignore[index]
    )
    return [float(value) for value in picked if value is not None]
