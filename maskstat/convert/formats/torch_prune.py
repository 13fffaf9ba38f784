"""State dicts of models under ``torch.nn.utils.prune``: ``X_orig`` and ``X_mask``."""

from __future__ import annotations

from maskstat.convert.formats.masked_tensors import Pair, found_in, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions

__all__ = ["matches", "read"]

_ORIG = "_orig"
_MASK = "_mask"


def matches(probe: Probe) -> bool:
    """Tell whether some tensor comes as original and mask."""
    tensors, _ = state(probe)
    return any(
        name.endswith(_ORIG) and name.removesuffix(_ORIG) + _MASK in tensors for name in tensors
    )


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, the masked weights and everything else of the state dict.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, as ``custom_from_mask`` lets it.
    """
    tensors, _ = state(probe)
    bases = [
        name.removesuffix(_ORIG)
        for name in tensors
        if name.endswith(_ORIG) and name.removesuffix(_ORIG) + _MASK in tensors
    ]
    pairs = [Pair(base, tensors[base + _MASK], tensors[base + _ORIG]) for base in bases]
    return found_in(
        "torch-prune",
        probe,
        options,
        pairs,
        used=[base + end for base in bases for end in (_ORIG, _MASK)],
        method="torch.nn.utils.prune",
    )
