"""What came with foreign masks: weights, other tensors and measured values, as a run has them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.found import Level
from maskstat.errors import InputError, printable
from maskstat.layout import Layout
from maskstat.run import Weights

__all__ = ["Stored", "gather", "gather_series"]

_KINDS = ("initial", "rewind", "final")
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")


class Stored(NamedTuple):
    """What came with masks.

    Parameters
    ----------
    layout
        The layers and, now, the tensors that are never pruned.
    weights, others
        As a run has them.
    notes
        What had to be left out.
    """

    layout: Layout
    weights: dict[str, Weights]
    others: dict[str, NDArray[np.float32]]
    notes: list[str]


def gather(levels: Mapping[int, Level], layout: Layout, place: str) -> Stored:
    """Gather weights and other tensors.

    Parameters
    ----------
    levels
        By iteration.
    layout
        The layers.
    place
        The file, for errors.
    """
    notes: list[str] = []
    weights: dict[str, Weights] = {}
    for kind in _KINDS:
        whole: dict[int, Mapping[str, NDArray[np.float32]]] = {}
        for iteration, level in levels.items():
            values = level.weights.get(kind)
            if not values:
                continue
            missing = [name for name in layout.names if name not in values]
            if missing:
                notes.append(
                    f"{kind} weights of iteration {iteration} are left out: "
                    f"there are none of {printable(missing[0])}"
                )
            else:
                whole[iteration] = values
        if whole:
            weights[kind] = Weights(
                values=_Rows(tuple(whole.values()), layout, place), iterations=tuple(whole)
            )
    found = {
        "initial": next((v for x in levels.values() if (v := x.others.get("initial"))), {}),
        "final": next(
            (v for x in reversed(list(levels.values())) if (v := x.others.get("final"))), {}
        ),
    }
    found = {kind: values for kind, values in found.items() if values}
    shapes = _common_shapes(list(found.values()), notes)
    if not shapes:
        return Stored(layout, weights, {}, notes)
    others = {
        kind: np.concatenate([np.asarray(values[n], np.float32).reshape(-1) for n in shapes])
        for kind, values in found.items()
    }
    layers = {layer.name: layer.shape for layer in layout.layers}
    return Stored(Layout.from_shapes(layers, others=shapes), weights, others, notes)


def gather_series(levels: Mapping[int, Level], n_iterations: int) -> dict[str, NDArray[np.float64]]:
    """Gather measured values by iteration, NaN where there is none."""
    series: dict[str, NDArray[np.float64]] = {}
    for iteration, level in levels.items():
        for name, value in level.series.items():
            key = _NOT_IN_NAME.sub("_", name.lower()).strip("_")[:64]
            key = key if key[:1].isalpha() else f"x_{key}"[:64]
            if key not in series:
                series[key] = np.full(n_iterations, np.nan)
            series[key][iteration] = value
    return series


class _Rows:
    """Weights of several iterations, put together when they are asked for."""

    def __init__(
        self, rows: tuple[Mapping[str, NDArray[np.float32]], ...], layout: Layout, place: str
    ) -> None:
        self._rows, self._layout, self._place = rows, layout, place
        self.shape = (len(rows), layout.size)

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        first, rest = keys[0], keys[1:]
        if not isinstance(first, slice):
            return self._row(int(first))[rest]
        chosen = [self._row(row) for row in range(len(self._rows))[first]]
        stack = np.stack(chosen) if chosen else np.empty((0, self._layout.size), np.float32)
        return stack[(slice(None), *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)

    def _row(self, row: int) -> NDArray[np.float32]:
        result = np.empty(self._layout.size, np.float32)
        for layer in self._layout.layers:
            values = np.asarray(self._rows[row][layer.name], np.float32)
            if values.size != layer.size:
                raise InputError(
                    f"the weights of '{printable(layer.name)}' have the shape {values.shape}, "
                    f"its mask {layer.shape}",
                    code="wrong-length",
                    place=self._place,
                )
            result[layer.weight_offset : layer.weight_offset + layer.size] = values.reshape(-1)
        return result


def _common_shapes(
    found: list[Mapping[str, NDArray[np.float32]]], notes: list[str]
) -> dict[str, tuple[int, ...]]:
    """Return the tensors that every mapping has in one shape, and note the others."""
    shapes: dict[str, tuple[int, ...]] = {}
    left_out: list[str] = []
    for name in dict.fromkeys(name for values in found for name in values):
        here = {np.shape(values[name]) if name in values else None for values in found}
        shape = next(iter(here))
        if len(here) > 1 or shape is None or math.prod(shape) == 0:
            left_out.append(name)
        else:
            shapes[name] = shape
    if left_out:
        notes.append(
            f"tensors that are not always there in one shape are left out: "
            f"{printable(', '.join(left_out[:10]))}"
        )
    return shapes
