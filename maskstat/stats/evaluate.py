"""Evaluate a null: which chance model each layer and total of each pair is under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from maskstat.bits import BoolArray, IntArray, pair_counts
from maskstat.errors import InputError, UsageError
from maskstat.mask import Mask
from maskstat.stats.chance import Chance, pooled_chance, replace_cells, uniform_chance
from maskstat.stats.comparands import Comparand
from maskstat.stats.pairs import PairCounts
from maskstat.stats.pairtest import Alternative
from maskstat.stats.profiles import Profile

if TYPE_CHECKING:
    from maskstat.stats.nulls import LayerChance
    from maskstat.stats.structured import Structure

__all__ = ["chance_under"]

Cells = dict[tuple[int, int], "LayerChance"]


def chance_under(
    counts: PairCounts,
    null: str,
    profiles: Mapping[str, Profile],
    *,
    alternative: Alternative,
    mid_p: bool,
) -> Chance:
    """Return what chance gives under one null.

    Parameters
    ----------
    counts
        P pairs over L layers.
    null
        One of `maskstat.stats.nulls.NULLS`.
    profiles
        By layer, where there is one: which masks consist of whole channels.
    alternative, mid_p
        As for `maskstat.stats.chance.uniform_chance`.

    Returns
    -------
    Chance

    Raises
    ------
    UsageError
        There is no such null.
    InputError
        The null does not apply to these masks: of another kind, without a history, or grown.
    """
    if null == "parent":
        counts = _inside_parents(counts)
    base = uniform_chance(counts, alternative=alternative, mid_p=mid_p)
    if null in ("layer", "stratified"):
        return base
    if null == "parent":
        return base._replace(null=np.full_like(base.null, "parent"))
    if null == "pooled":
        return pooled_chance(counts, base, alternative=alternative, mid_p=mid_p)
    if null == "auto" and not _whole_channels(counts, profiles):
        return base
    from maskstat.stats.nulls import NULLS, unknown_null

    if null not in NULLS:
        raise unknown_null(null)
    if alternative == "fisher" and null != "auto":
        raise UsageError(
            f"the fisher alternative is not defined for the null '{null}'",
            code="no-fisher",
            place="--alternative",
            hint="two-sided, greater or less",
        )
    if mid_p and null in ("row", "column", "margins"):
        raise UsageError(
            f"mid-p is not defined for the null '{null}'", code="no-mid-p", place="--mid-p"
        )
    cells = _inherited_cells(counts) if null == "inherit" else _layer_cells(counts, null, profiles)
    kept = counts.kept_a + counts.kept_b
    both = np.column_stack([kept, kept.sum(axis=1)])
    return replace_cells(base, cells, both, alternative=alternative, mid_p=mid_p)


def _whole_channels(counts: PairCounts, profiles: Mapping[str, Profile]) -> list[tuple[int, int]]:
    """Find the (layer, pair) cells in which both masks consist of whole channels."""
    found: list[tuple[int, int]] = []
    for layer, name in enumerate(counts.layout.names):
        if name in profiles:
            whole = profiles[name].whole_channels
            both = whole[counts.mask_a] & whole[counts.mask_b]
            found.extend((layer, int(pair)) for pair in np.flatnonzero(both))
    return found


def _layer_cells(counts: PairCounts, null: str, profiles: Mapping[str, Profile]) -> Cells:
    """Test cells by what is inside their layers, one layer unpacked at a time, then the totals."""
    n_layers = len(counts.layout.layers)
    if null == "auto":
        wanted = _whole_channels(counts, profiles)
    else:
        wanted = [(layer, pair) for layer in range(n_layers) for pair in range(len(counts.a))]
    cells: Cells = {}
    test = _LayerTests(counts, null)
    for layer, pair in wanted:
        cell = test(layer, pair)
        if cell is not None:
            cells[pair, layer] = cell
    for pair in sorted({pair for pair, _ in cells}):
        cells[pair, n_layers] = test.total(pair, [cells.get((pair, i)) for i in range(n_layers)])
    return cells


class _LayerTests:
    """Tests of one null, with the current layer's masks unpacked once."""

    def __init__(self, counts: PairCounts, null: str) -> None:
        from maskstat.stats import nulls, structured, units

        self._nulls, self._structured, self._units = nulls, structured, units
        self._counts, self._null = counts, null
        self._layer = -1
        self._arrays: dict[int, BoolArray] = {}
        self._structures: dict[int, structured.Structure] = {}
        self._unit_nulls: dict[int, list[units.UnitNull]] = {}

    def _mask(self, layer: int, index: int) -> BoolArray:
        if layer != self._layer:
            self._layer = layer
            self._arrays.clear()
            self._structures.clear()
        if index not in self._arrays:
            name = self._counts.layout.names[layer]
            self._arrays[index] = self._counts.masks[index].layer(name)
        return self._arrays[index]

    def _structure(self, layer: int, index: int) -> Structure:
        array = self._mask(layer, index)
        if index not in self._structures:
            self._structures[index] = self._structured.detect_structure(array)
        return self._structures[index]

    def __call__(self, layer: int, pair: int) -> LayerChance | None:
        index_a, index_b = int(self._counts.mask_a[pair]), int(self._counts.mask_b[pair])
        a, b = self._mask(layer, index_a), self._mask(layer, index_b)
        if self._null == "margins":
            return self._nulls.margins_chance(a, b)
        if self._null in ("row", "column"):
            unit = self._units.unit_null(a, b, by="row" if self._null == "row" else "column")
            self._unit_nulls.setdefault(pair, []).append(unit)
            return self._nulls.unit_total([unit])
        left, right = self._structure(layer, index_a), self._structure(layer, index_b)
        place = self._counts.layout.names[layer]
        required = self._null == "channel"
        return self._nulls.channel_chance(a, b, left, right, required=required, place=place)

    def total(self, pair: int, layers: Sequence[LayerChance | None]) -> LayerChance:
        """Add a pair's layers; those under the uniform null by their exact moments."""
        if self._null in ("row", "column"):
            return self._nulls.unit_total(self._unit_nulls[pair])
        shared = int(self._counts.shared[pair].sum())
        filled = [
            cell if cell is not None else self._uniform(pair, layer)
            for layer, cell in enumerate(layers)
        ]
        if self._null == "margins":
            return self._nulls.sum_chance(filled, shared, null="margins")
        return self._nulls.channel_total(filled, shared)

    def _uniform(self, pair: int, layer: int) -> LayerChance:
        counts = self._counts
        sizes = (counts.sizes[layer], counts.kept_a[pair, layer], counts.kept_b[pair, layer])
        return self._nulls.uniform_layer(*(int(size) for size in sizes))


def _inherited_cells(counts: PairCounts) -> Cells:
    """Condition every overlap on that of the previous iteration."""
    from maskstat.stats.nulls import inherited_chance, inherited_total

    previous = [
        (_earlier(counts, pair, counts.a, counts.iteration_a),
         _earlier(counts, pair, counts.b, counts.iteration_b))
        for pair in range(len(counts.a))
    ]  # fmt: skip
    for pair, both in enumerate(previous):
        _require_inside(counts, pair, both, "inherit")
    masks = [mask for both in previous for mask in both]
    pairs = [(2 * pair, 2 * pair + 1) for pair in range(len(previous))]
    before = pair_counts(masks, pairs, counts.layout.edges)
    cells: Cells = {}
    for pair, (a, b) in enumerate(previous):
        rows = np.stack(
            [counts.shared[pair], before[pair], a.kept, b.kept, counts.kept_a[pair],
             counts.kept_b[pair]], axis=1
        )  # fmt: skip
        layers = [tuple(int(n) for n in row) for row in rows]
        for layer, values in enumerate(layers):
            cells[pair, layer] = inherited_chance(values)  # type: ignore[arg-type]
        cells[pair, len(layers)] = inherited_total(layers)  # type: ignore[arg-type]
    return cells


def _earlier(
    counts: PairCounts, pair: int, side: Sequence[int], iterations: Sequence[int | None]
) -> Mask:
    """Return the mask of the iteration before, over the compared layers."""
    one: Comparand = counts.comparands[side[pair]]
    iteration = iterations[pair]
    if one.run is None or not iteration:
        raise InputError(
            "there is no iteration before this one",
            code="no-previous-iteration",
            place=one.label,
            consequence="the inherit null does not apply",
            hint="runs, at iteration 1 or later",
        )
    return one.run.mask(iteration - 1).over(counts.layout)


def _require_inside(counts: PairCounts, pair: int, outer: tuple[Mask, Mask], null: str) -> None:
    """Refuse masks that have grown beyond the earlier ones that the null takes as given."""
    sides = ((counts.a, counts.mask_a), (counts.b, counts.mask_b))
    for (inputs, masks), earlier in zip(sides, outer, strict=True):
        mask = counts.masks[int(masks[pair])]
        if not mask <= earlier:
            raise InputError(
                f"iteration {mask.iteration} keeps weights that iteration {earlier.iteration} "
                "has pruned",
                code="outside-parent",
                place=counts.comparands[inputs[pair]].label,
                consequence=f"the {null} null takes masks that never grow",
                hint="--null layer",
            )


def _inside_parents(counts: PairCounts) -> PairCounts:
    """Take as size of each layer what the last mask common to both runs keeps."""
    parents: list[IntArray] = []
    for pair in range(len(counts.a)):
        a, b = (counts.comparands[side[pair]] for side in (counts.a, counts.b))
        if a.run is None or b.run is None:
            raise InputError(
                "a mask alone has no history",
                code="no-parent",
                place=a.label if a.run is None else b.label,
                consequence="the parent null takes runs that branched from a common mask",
            )
        last = min(counts.iteration_a[pair] or 0, counts.iteration_b[pair] or 0)
        pasts = (
            [run.mask(t).over(counts.layout) for run in (a.run, b.run)] for t in range(last, -1, -1)
        )
        parent = next(one for one, other in pasts if one == other)
        _require_inside(counts, pair, (parent, parent), "parent")
        parents.append(parent.kept)
    return counts._replace(sizes=np.stack(parents))
