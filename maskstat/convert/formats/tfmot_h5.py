"""Keras weights in HDF5 under tensorflow-model-optimization's ``PruneLowMagnitude`` wrappers."""

from __future__ import annotations

import re

from maskstat.convert.found import Found, Level, TensorMask
from maskstat.convert.hdf5_file import tree
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError

__all__ = ["matches", "read"]

_WRAPPER = "prune_low_magnitude_"
_MASK = re.compile(r"(?P<scope>.*/)?mask(_\d+)?(:0)?")
_OWN = re.compile(r".*/?(threshold|pruning_step)(_\d+)?(:0)?")


def matches(probe: Probe) -> bool:
    """Tell whether a wrapped layer has a mask."""
    return bool(_masks(tree(probe).tensors))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, and as final weights the kernels that they belong to.

    Raises
    ------
    InputError
        A value is neither 0 nor 1, or there is no mask.
    """
    found = tree(probe)
    paths = _masks(found.tensors)
    if not paths:
        raise InputError(
            "no layer in it has a pruning mask", code="wrong-format", place=probe.place
        )
    masks: list[TensorMask] = []
    kernels: dict[str, StoredTensor] = {}
    used: set[str] = set()
    for path in paths:
        owner = _owner(path, found.tensors)
        name = _layer(owner or path)
        if options.chooses(name):
            masks.append(found.tensors[path].mask("binary", name=name))
            used.add(path)
            if owner is not None:
                kernels[name] = found.tensors[owner]
                used.add(owner)
    unmatched = [n for n in found.tensors if n not in used and not _OWN.fullmatch(n)]
    weights = {name: tensor.values() for name, tensor in kernels.items()}
    return Found(
        format="tfmot-h5",
        levels=[Level(masks=masks, weights={"final": weights} if weights else {})],
        order="io",
        unmatched=(*unmatched, *found.unread),
        method="prune_low_magnitude",
    )


def _masks(tensors: dict[str, StoredTensor]) -> list[str]:
    return [path for path in tensors if _WRAPPER in path and _MASK.fullmatch(path)]


def _owner(path: str, tensors: dict[str, StoredTensor]) -> str | None:
    """Return the one other array under the same wrapper that has the mask's shape."""
    wrapper = next(part for part in path.split("/") if part.startswith(_WRAPPER))
    fitting = [
        other
        for other, tensor in tensors.items()
        if wrapper in other.split("/")
        and not _MASK.fullmatch(other)
        and tensor.shape == tensors[path].shape
    ]
    return fitting[0] if len(fitting) == 1 else None


def _layer(path: str) -> str:
    """Return a weight's name: the wrapped layer's and its own.

    Examples
    --------
    >>> _layer("model_weights/prune_low_magnitude_dense/prune_low_magnitude_dense/kernel:0")
    'dense/kernel'
    """
    parts = path.split("/")
    wrapper = next(part for part in parts if part.startswith(_WRAPPER))
    return f"{wrapper.removeprefix(_WRAPPER)}/{parts[-1].removesuffix(':0')}"
