"""Masks of "Deconstructing Lottery Tickets" (Zhou et al. 2019): flat vectors of all variables.

``mask_values``, and beside it ``initial_weights`` and ``final_weights``, hold the variables of a
TensorFlow network one after another. The attribute ``var_shapes`` has their shapes as text,
``(784, 300);(300,);...``; ``var_names``, where it is there, their names in the same way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maskstat.bits import BoolArray
from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.hdf5_file import HdfTree, tree
from maskstat.convert.probe import Probe
from maskstat.convert.refusals import damaged
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import CorruptArchiveError, InputError

__all__ = ["matches", "read"]

_NUMBER = re.compile(r"\d{1,15}")
_SHAPE = re.compile(r"\(\s*(?:\d{1,15}\s*,\s*)*(?:\d{1,15}\s*,?\s*)?\)", re.ASCII)
_KINDS = {"initial": "initial_weights", "final": "final_weights"}


def matches(probe: Probe) -> bool:
    """Tell whether there is a flat mask and the shapes to cut it by."""
    found = tree(probe)
    return "mask_values" in found.tensors and "var_shapes" in found.texts


def read(probe: Probe, options: ReadOptions) -> Found:
    """Cut the flat mask, and the weights beside it, into variables.

    Variables with one dimension are biases, which this code keeps whole; they are no layers
    unless ``include`` names them.

    Raises
    ------
    CorruptArchiveError
        Shapes and values do not fit each other.
    InputError
        A value is neither 0 nor 1, or no variable is chosen.
    """
    found = tree(probe)
    if not matches(probe):
        raise InputError(
            "it has no 'mask_values' with 'var_shapes'", code="wrong-format", place=probe.place
        )
    shapes = _shapes(found, probe.place)
    flat = found.tensors["mask_values"]
    sizes = [math.prod(shape) for shape in shapes.values()]
    if flat.size != sum(sizes):
        raise _damaged(f"its {flat.size:,} values are not those of its shapes", probe.place)
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    at = dict(zip(shapes, starts, strict=False))
    chosen = [n for n in shapes if options.chooses(n, default=len(shapes[n]) >= 2)]
    flat.check_whole()
    whole = np.concatenate([block.copy() for block in flat.binary()])
    masks = [_mask(name, shapes[name], whole, at[name]) for name in chosen]
    stored = {kind: _values(found.tensors.get(key), flat.size) for kind, key in _KINDS.items()}
    cut = {
        kind: {n: v[at[n] : at[n] + math.prod(s)].reshape(s) for n, s in shapes.items()}
        for kind, v in stored.items()
        if v is not None
    }
    used = {"mask_values", *(_KINDS[kind] for kind in cut)}
    return Found(
        format="uber-h5",
        levels=[
            Level(
                masks=masks,
                weights={k: {n: v[n] for n in chosen} for k, v in cut.items()},
                others={k: {n: v[n] for n in shapes if n not in chosen} for k, v in cut.items()},
            )
        ],
        order="io",
        unmatched=(
            *(name for name in shapes if name not in chosen),
            *(name for name in found.tensors if name not in used),
            *found.unread,
        ),
        notes=() if "var_names" in found.texts else ("variables have no names and are numbered",),
    )


def _shapes(found: HdfTree, place: str) -> dict[str, tuple[int, ...]]:
    """Return the variables' shapes by name, numbered where there are no names."""
    texts = found.texts["var_shapes"].split(";")
    if not all(_SHAPE.fullmatch(text.strip()) for text in texts):
        raise _damaged("its 'var_shapes' cannot be read", place)
    shapes = [tuple(int(n) for n in _NUMBER.findall(text)) for text in texts]
    names = found.texts.get("var_names", "").split(";") if "var_names" in found.texts else []
    if not names:
        width = len(str(len(shapes) - 1))
        names = [f"variable{i:0{width}}" for i in range(len(shapes))]
    if len(set(names)) != len(shapes):
        raise _damaged("its names are not as many as its shapes", place)
    return dict(zip(names, shapes, strict=True))


def _mask(name: str, shape: tuple[int, ...], whole: BoolArray, start: int) -> TensorMask:
    part = whole[start : start + math.prod(shape)]

    def blocks() -> Iterator[BoolArray]:
        yield part

    return TensorMask(name=name, shape=shape, blocks=blocks)


def _values(tensor: StoredTensor | None, size: int) -> NDArray[np.float32] | None:
    """Return a flat vector of weights if it is one of this network."""
    return tensor.values().reshape(-1) if tensor is not None and tensor.size == size else None


def _damaged(fact: str, place: str) -> CorruptArchiveError:
    return damaged(fact, "corrupt-structure", place)
