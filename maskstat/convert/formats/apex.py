"""NVIDIA apex's ASP: ``X.__weight_mma_mask`` beside ``X.weight``."""

from __future__ import annotations

from maskstat.convert.formats.masked_tensors import Pair, found_in, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions

__all__ = ["matches", "read"]

_END = "_mma_mask"
_PRUNED = "_mma_pruned_p"


def matches(probe: Probe) -> bool:
    """Tell whether some tensor has a mask of ASP's."""
    return any(_name(key) for key in state(probe)[0])


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, the masked weights and everything else of the state dict.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1.
    """
    tensors, _ = state(probe)
    masks = {_name(key): key for key in tensors if _name(key)}
    return found_in(
        "apex-asp",
        probe,
        options,
        [Pair(name, tensors[key], tensors.get(name)) for name, key in masks.items()],
        used=[*masks, *masks.values()],
        unmatched=[key for key in tensors if key.endswith(_PRUNED)],
        method="apex ASP",
    )


def _name(key: str) -> str:
    """Return whose mask it is, nothing if it is none."""
    module, _, leaf = key.rpartition(".")
    if not leaf.startswith("__") or not leaf.endswith(_END):
        return ""
    return f"{module}.{leaf[2:].removesuffix(_END)}".removeprefix(".")
