"""Masks beside their weights in one state dict: what the formats of torch's pruners share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstat.convert.found import Found, Level
from maskstat.convert.probe import Probe
from maskstat.convert.registry import ReadOptions
from maskstat.convert.tensors import StoredTensor
from maskstat.errors import InputError, printable

__all__ = ["Pair", "found_in", "is_readable", "level_of", "state"]

_READABLE = frozenset({"F16", "F32", "F64", "BF16", "BOOL", "I64", "I32", "U8"})


class Pair(NamedTuple):
    """A mask, and what the file has of the tensor that it masks.

    Parameters
    ----------
    name
        The tensor's, as the file has it.
    mask
        Zeros and ones in the tensor's shape.
    weight
        The tensor itself, masked or not.
    initial
        Its value before training.
    """

    name: str
    mask: StoredTensor
    weight: StoredTensor | None = None
    initial: StoredTensor | None = None


def state(probe: Probe) -> tuple[Mapping[str, StoredTensor], tuple[str, ...]]:
    """Return a file's state dict, and names of what a checkpoint has beside it.

    Raises
    ------
    InputError, MissingExtraError
        The file cannot be read.
    """
    if probe.kind in ("torch-zip", "torch-legacy"):
        from maskstat.convert.torch_file import load, state_dict

        return probe.once("torch-checkpoint", lambda: state_dict(load(probe)))
    return probe.tensors, ()


def found_in(
    name: str,
    probe: Probe,
    options: ReadOptions,
    pairs: Sequence[Pair],
    *,
    used: Iterable[str] = (),
    unmatched: Sequence[str] = (),
    notes: Sequence[str] = (),
    method: str = "",
) -> Found:
    """Put together what a format found in a state dict.

    Parameters
    ----------
    name
        The format's.
    probe, options
        The file and what was asked for.
    pairs
        In network order.
    used
        Names in the state dict that `pairs` speak for.
    unmatched
        What the format did not understand.
    notes, method
        As in `Found`.

    Raises
    ------
    InputError
        A mask holds something else than 0 and 1, or has not the shape of its tensor.
    """
    tensors, left = state(probe)
    taken = set(used) | set(unmatched)
    rest = {key: tensor for key, tensor in tensors.items() if key not in taken}
    level, lost = level_of(pairs, rest, options=options, place=probe.place)
    return Found(
        format=name,
        levels=(level,),
        unmatched=(*unmatched, *lost, *(key for key in left if key not in taken)),
        notes=tuple(notes),
        method=method,
    )


def level_of(
    pairs: Sequence[Pair],
    rest: Mapping[str, StoredTensor],
    *,
    options: ReadOptions,
    place: str,
) -> tuple[Level, list[str]]:
    """Build one level; name what is in no mask and may be a layer, or is not kept.

    Final weights are 0 where pruned, whatever the file has there: an optimizer's momentum and
    weight decay go on moving the numbers under a mask.
    """
    chosen = [pair for pair in pairs if options.chooses(pair.name)]
    if not chosen:
        raise InputError(
            "no mask is left" if pairs else "it holds no masks of this format",
            code="no-masks",
            place=place,
            consequence=f"it holds {len(pairs)}, and none is chosen" if pairs else "",
            hint="another --include or --exclude" if pairs else "leave out --from",
        )
    for pair in chosen:
        for other in (pair.weight, pair.initial):
            if other is not None and other.shape != pair.mask.shape:
                raise InputError(
                    f"'{printable(pair.name)}' has shape {other.shape}, its mask {pair.mask.shape}",
                    code="mask-shape",
                    place=place,
                    consequence="the mask cannot be its",
                )
    weights: dict[str, dict[str, NDArray[np.float32]]] = {}
    if all(pair.weight is not None and is_readable(pair.weight) for pair in chosen):
        weights["final"] = {pair.name: _masked(pair) for pair in chosen}
    if all(pair.initial is not None and is_readable(pair.initial) for pair in chosen):
        weights["initial"] = {
            pair.name: pair.initial.values() for pair in chosen if pair.initial is not None
        }
    kept = {key: tensor for key, tensor in rest.items() if weights and is_readable(tensor)}
    lost = [key for key, tensor in rest.items() if key not in kept or len(tensor.shape) > 1]
    level = Level(
        masks=[pair.mask.mask("binary", name=pair.name) for pair in chosen],
        weights=weights,
        others={"final": {key: t.values() for key, t in kept.items()}} if kept else {},
    )
    return level, lost


def is_readable(tensor: StoredTensor) -> bool:
    """Tell whether a tensor's values can be kept as float32."""
    return tensor.encoding.name in _READABLE and tensor.size > 0


def _masked(pair: Pair) -> NDArray[np.float32]:
    """Return the weights, exactly 0 where pruned."""
    assert pair.weight is not None
    flat = np.array(pair.weight.values(), np.float32).reshape(-1)
    at = 0
    for kept in pair.mask.binary():
        flat[at : at + kept.size][~kept] = 0
        at += kept.size
    return flat.reshape(pair.mask.shape)
