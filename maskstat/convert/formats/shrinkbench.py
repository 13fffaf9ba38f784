"""State dicts with ``X_mask`` beside ``X``: shrinkbench, Synaptic-Flow and many others."""

from __future__ import annotations

from maskstat.convert.formats.masked_tensors import Pair, found_in, state
from maskstat.convert.found import Found
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions

__all__ = ["matches", "read"]

_MASK = "_mask"


def matches(probe: Probe) -> bool:
    """Tell whether some tensor has a mask of its shape beside it."""
    return bool(_bases(probe))


def read(probe: Probe, options: ReadOptions) -> Found:
    """Read the masks, the masked weights and everything else of the state dict.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1.
    """
    tensors, _ = state(probe)
    bases = _bases(probe)
    flat = [base for base in bases if len(tensors[base].shape) < 2]
    note = f"{len(flat)} of the masks are of biases or normalizations; --exclude leaves them out"
    return found_in(
        "shrinkbench",
        probe,
        options,
        [Pair(base, tensors[base + _MASK], tensors[base]) for base in bases],
        used=[name for base in bases for name in (base, base + _MASK)],
        notes=[note] if flat else [],
    )


def _bases(probe: Probe) -> list[str]:
    tensors, _ = state(probe)
    return [
        name
        for name, tensor in tensors.items()
        if name + _MASK in tensors and tensors[name + _MASK].shape == tensor.shape
    ]
