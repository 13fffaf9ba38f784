"""Names to arrays of zeros and ones, of any type: npz, npy, safetensors, a dict saved by torch."""

from __future__ import annotations

from collections.abc import Sequence

from maskstat.convert.found import Found, Level
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError

__all__ = ["level_of", "matches", "read", "without_suffix"]

_SUFFIXES = ("_mask", ".mask")


def matches(probe: Probe) -> bool:
    """Tell whether all arrays begin with zeros and ones, at least one having a dimension."""
    tensors = probe.tensors.values()
    return any(tensor.shape for tensor in tensors) and all(t.looks_binary() for t in tensors)


def read(probe: Probe, options: ReadOptions) -> Found:
    """Take every array with a dimension for a mask.

    Raises
    ------
    InputError
        A value is neither 0 nor 1.
    """
    chosen, unmatched = level_of(list(probe.tensors.values()), options, probe.place)
    return Found(format="generic", levels=[chosen], unmatched=unmatched)


def level_of(
    tensors: Sequence[StoredTensor], options: ReadOptions, place: str
) -> tuple[Level, tuple[str, ...]]:
    """Return the masks that arrays of zeros and ones are, and the names that are none.

    Raises
    ------
    InputError
        None is chosen.
    """
    chosen = [t for t in tensors if t.size and options.chooses(t.name, default=bool(t.shape))]
    if not chosen:
        raise InputError(
            "no array in it is chosen", code="no-masks", place=place, hint="--include 'PATTERN'"
        )
    names = without_suffix([tensor.name for tensor in chosen])
    masks = [t.mask("binary", name=name) for t, name in zip(chosen, names, strict=True)]
    taken = {tensor.name for tensor in chosen}
    return Level(masks=masks), tuple(t.name for t in tensors if t.name not in taken)


def without_suffix(names: Sequence[str]) -> list[str]:
    """Take ``_mask`` or ``.mask`` off names that all end so.

    Examples
    --------
    >>> without_suffix(["fc1.weight_mask", "fc2.weight_mask"]), without_suffix(["a_mask", "b"])
    (['fc1.weight', 'fc2.weight'], ['a_mask', 'b'])
    """
    for suffix in _SUFFIXES:
        if all(name.endswith(suffix) and name != suffix for name in names):
            return [name.removesuffix(suffix) for name in names]
    return list(names)
