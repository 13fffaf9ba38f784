"""From what a foreign file holds to a run: one pass over every mask."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.names import Renaming, normalise
from maskstat.convert.orient import output_first
from maskstat.convert.spool import SpooledMasks, open_rows, pack_layer
from maskstat.convert.stored import gather, gather_series
from maskstat.errors import InputError, LayoutMismatchError, printable
from maskstat.layout import Layout
from maskstat.run import Run

__all__ = ["IN_MEMORY", "assemble", "run_id_of"]

IN_MEMORY = 1 << 28
"""Packed masks up to this size are held in memory, larger ones in a temporary file."""

_LISTED = 1_000
_RANK = 16
_VALUES = 1 << 45
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9._-]+")


def assemble(found: Found, run_id: str, place: str, *, in_memory: int = IN_MEMORY) -> Run:
    """Build a run from what was found in a foreign file.

    Parameters
    ----------
    found
        The masks; they are read here, once.
    run_id
        The run's name.
    place
        The file, for results and errors.
    in_memory
        Bytes of packed masks to hold in memory at most; more go into a temporary file.

    Returns
    -------
    Run
        Tensors in torch's order, outputs first; iteration 0 is the dense network.

    Raises
    ------
    InputError
        There are no masks, names come twice, a tensor is empty or no mask fits it.
    LayoutMismatchError
        The levels have different tensors.
    """
    levels, renaming = _renamed(found, place)
    notes = [*found.notes, *_about_names(renaming)]
    if found.order == "io":
        levels = [output_first(level) for level in levels]
        notes.append("stored input channels first; transposed to output channels first")
    layout = _layout(levels, place)
    rows = open_rows(len(levels), layout.n_words, in_memory=in_memory)
    kept = np.zeros((len(levels), len(layout.layers)), np.int64)
    for row, level in enumerate(levels):
        masks = {mask.name: mask for mask in level.masks}
        for index, layer in enumerate(layout.layers):
            blocks = masks[layer.name].blocks()
            kept[row, index] = pack_layer(rows, row, layer, blocks, place)
    dense = int(np.array_equal(kept[0], layout.sizes))
    if np.array_equal(kept, np.broadcast_to(layout.sizes, kept.shape)):
        notes.append("every weight is kept: nothing is pruned in it")
    iterations = {row + 1 - dense: level for row, level in enumerate(levels)}
    stored = gather(iterations, layout, place)
    return Run(
        run_id=run_id,
        layout=stored.layout,
        masks=SpooledMasks(rows, range(dense, len(levels)), layout),
        kept=np.concatenate([layout.sizes[None], kept[dense:]]),
        model=found.model,
        dataset=found.dataset,
        method=found.method,
        series=gather_series(iterations, len(levels) + 1 - dense),
        weights=stored.weights,
        others=stored.others,
        provenance={"source": _source(found, place, [*notes, *stored.notes])},
        place=place,
    )


def run_id_of(name: str) -> str:
    """Make a run's name of a file's or folder's.

    Examples
    --------
    >>> run_id_of("my model (1)"), run_id_of("...")
    ('my-model-1', 'run')
    """
    return _NOT_IN_ID.sub("-", name).strip("._-")[:64] or "run"


def _renamed(found: Found, place: str) -> tuple[list[Level], Renaming]:
    """Take wrappers' prefixes off all names of all levels."""
    if not found.levels or not any(level.masks for level in found.levels):
        raise InputError(
            "it holds no masks",
            code="no-masks",
            place=place,
            hint="--include 'PATTERN'" if found.format == "zeros" else "--from FORMAT",
        )
    masks = [mask.name for level in found.levels for mask in level.masks]
    others = [n for x in found.levels for values in x.others.values() for n in values]
    renaming = normalise([*masks, *others])
    return [_rename(level, renaming.names) for level in found.levels], renaming


def _rename(level: Level, names: Mapping[str, str]) -> Level:
    return replace(
        level,
        masks=[replace(mask, name=names[mask.name]) for mask in level.masks],
        weights={kind: _Renamed(values, names) for kind, values in level.weights.items()},
        others={
            kind: {names[name]: value for name, value in values.items()}
            for kind, values in level.others.items()
        },
    )


def _layout(levels: Sequence[Level], place: str) -> Layout:
    """Return the layers of all levels, which have to be the same."""
    shapes = _shapes(levels[0].masks, place)
    try:
        layout = Layout.from_shapes(shapes)
    except InputError as error:
        error.place = error.place or place
        raise
    for number, level in enumerate(levels[1:], 2):
        here = _shapes(level.masks, place)
        if here != shapes:
            names = [n for n in {**shapes, **here} if shapes.get(n) != here.get(n)]
            raise LayoutMismatchError(
                f"level {number} has other tensors than the first: {printable(names[0])}",
                code="layout-mismatch",
                place=place,
                consequence="they are not levels of one run",
            )
    return layout


def _shapes(masks: Sequence[TensorMask], place: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for mask in masks:
        name = printable(mask.name)
        if mask.name in shapes:
            raise InputError(f"'{name}' comes twice", code="duplicate-name", place=place)
        if mask.name.encode(errors="replace") != mask.name.encode(errors="surrogatepass"):
            raise InputError(f"the name '{name}' is no text", code="bad-name", place=place)
        if not mask.name or min(mask.shape, default=1) < 1:
            raise InputError(
                f"'{name}' has the shape {mask.shape}",
                code="empty-layer",
                place=place,
                consequence="a layer has a name and at least one weight",
                hint=f"--exclude '{name}'",
            )
        if len(mask.shape) > _RANK or math.prod(mask.shape) > _VALUES:
            raise InputError(f"'{name}' is too large", code="too-large", place=place)
        shapes[mask.name] = mask.shape
    return shapes


def _about_names(renaming: Renaming) -> list[str]:
    if renaming.collided:
        first, second = map(printable, renaming.collided)
        return [f"names are as in the file: '{first}' and '{second}' would become one"]
    if renaming.stripped:
        return [f"taken off names: {', '.join(renaming.stripped)}"]
    return []


def _source(found: Found, place: str, notes: Sequence[str]) -> dict[str, Any]:
    """Say where a run came from, ready for JSON."""
    return {
        "format": found.format,
        "name": printable(os.path.basename(os.path.abspath(place)) if place else ""),
        "n_unmatched": len(found.unmatched),
        "notes": [printable(note) for note in notes],
        "order": found.order,
        "transposed": found.order == "io",
        "unmatched": [printable(name) for name in found.unmatched[:_LISTED]],
    }


class _Renamed(Mapping[str, Any]):
    """A mapping under other names; its values are not touched before they are asked for."""

    def __init__(self, values: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._values = values
        self._keys = {names.get(name, name): name for name in values}

    def __getitem__(self, name: str) -> Any:
        return self._values[self._keys[name]]

    def __iter__(self) -> Any:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
