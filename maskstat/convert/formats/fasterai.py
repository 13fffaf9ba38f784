"""fasterai's sparsifier: buffers ``X._mask`` and ``X._init_weights`` beside ``X.weight``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.formats.masked_tensors import Pair, found_in, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError, printable

__all__ = ["matches", "read"]

_MASK = "._mask"
_INITIAL = "._init_weights"


def matches(probe: Probe) -> bool:
    """Tell whether some module has a mask and a weight."""
    return bool(_modules(probe))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, stretched to the weights' shapes, the masked and the initial weights.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, or cannot be stretched.
    """
    tensors, _ = state(probe)
    modules = _modules(probe)
    pairs = [
        Pair(
            f"{module}.weight",
            _stretched(tensors[module + _MASK], tensors[f"{module}.weight"].shape),
            tensors[f"{module}.weight"],
            tensors.get(module + _INITIAL),
        )
        for module in modules
    ]
    ends = (".weight", _MASK, _INITIAL)
    used = [module + end for module in modules for end in ends]
    return found_in("fasterai", probe, options, pairs, used=used, method="fasterai")


def _modules(probe: Probe) -> list[str]:
    tensors, _ = state(probe)
    masked = [key.removesuffix(_MASK) for key in tensors if key.endswith(_MASK)]
    return [module for module in masked if f"{module}.weight" in tensors]


def _stretched(mask: StoredTensor, shape: tuple[int, ...]) -> StoredTensor:
    """Give a mask with one entry a filter the shape of the weights."""
    if mask.shape == shape:
        return mask

    def pieces() -> Iterator[NDArray[Any]]:
        small = np.concatenate([piece.copy() for piece in mask.pieces()]).reshape(mask.shape)
        yield np.broadcast_to(small, shape).reshape(-1)

    fits = len(mask.shape) == len(shape) and all(
        m in (1, n) for m, n in zip(mask.shape, shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"'{printable(mask.name)}' has shape {mask.shape}, the weights {shape}",
            code="mask-shape",
            place=mask.place,
            consequence="the mask cannot be theirs",
        )
    return replace(mask, shape=shape, pieces=pieces)
