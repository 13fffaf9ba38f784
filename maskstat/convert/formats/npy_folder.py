"""A folder of .npy masks, or one with them in ``masks/`` as google-research's experiments have it.

Those lie beside ``initial/`` and ``final/``, whose weights are read along, and are stored input
channels first. A layer that has weights and no mask was not pruned.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.formats.generic import level_of
from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor

__all__ = ["matches", "read"]

_KINDS = ("initial", "final")


def matches(probe: Probe) -> bool:
    """Tell whether the folder has masks in ``masks/``, or arrays of zeros and ones only."""
    if any(name.startswith("masks/") and name.endswith(".npy") for name in probe.files):
        return bool(_inside(probe, "masks"))
    tensors = _top(probe)
    return bool(tensors) and all(tensor.looks_binary() for tensor in tensors)


def read(probe: Probe, options: ReadOptions) -> Found:
    """Take every array for a mask.

    Raises
    ------
    InputError
        A value is neither 0 nor 1, or none is chosen.
    """
    named = _inside(probe, "masks")
    if not named:
        level, unmatched = level_of(_top(probe), options, probe.place)
        deeper = [name for name in probe.tensors if "/" in name]
        unmatched = (*unmatched, *deeper, *probe.not_entered)
        return Found(format="npy-folder", levels=[level], unmatched=unmatched)
    stored = {kind: _inside(probe, kind) for kind in _KINDS}
    level, unmatched = level_of(list(named.values()), options, probe.place)
    masks = {mask.name: mask for mask in level.masks}
    shapes = {name: t.shape for values in stored.values() for name, t in values.items()}
    weights = {
        kind: {name: tensor.values() for name, tensor in values.items()}
        for kind, values in stored.items()
        if values
    }
    unpruned = [n for n in shapes if n not in masks and n not in named and options.chooses(n)]
    dense = [TensorMask.from_array(n, np.ones(shapes[n], np.bool_)) for n in unpruned]
    order = [name for name in (shapes or masks) if name in masks or name in unpruned]
    order += [name for name in masks if name not in order]
    read_here = re.compile(rf"({'|'.join(['masks', *_KINDS])})/[^/]*")
    elsewhere = [name for name in probe.tensors if not read_here.fullmatch(name)]
    everything = {**masks, **{mask.name: mask for mask in dense}}
    notes = [f"'{name}' has weights and no mask: taken as dense" for name in unpruned]
    return Found(
        format="npy-folder",
        levels=[Level(masks=[everything[name] for name in order], weights=_only(weights, order))],
        order="io" if weights else "oi",
        unmatched=(*unmatched, *elsewhere, *probe.not_entered),
        notes=tuple(notes),
    )


def _only(
    weights: dict[str, dict[str, NDArray[np.float32]]], names: list[str]
) -> dict[str, dict[str, NDArray[np.float32]]]:
    return {
        kind: {n: v for n, v in values.items() if n in names} for kind, values in weights.items()
    }


def _top(probe: Probe) -> list[StoredTensor]:
    """Return the arrays that lie in the folder itself."""
    return [tensor for name, tensor in probe.tensors.items() if "/" not in name]


def _inside(probe: Probe, folder: str) -> dict[str, StoredTensor]:
    """Return the arrays of a folder in the folder, by their own names."""
    prefix = f"{folder}/"
    return {
        name.removeprefix(prefix): replace(tensor, name=name.removeprefix(prefix))
        for name, tensor in probe.tensors.items()
        if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
    }
